//! Where manifests come from: files, directories, standard input, a revision of the git repository, or the cluster.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

/// A place that manifests are read from, as it is written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, or a directory with all that is below it (`*.yaml`, `*.yml`, `*.json`).
    Path(PathBuf),
    /// Standard input, written `-`.
    Stdin,
    /// Files of a revision of the repository that the command runs in, written `git:REV` or `git:REV:PATH`.
    Git {
        /// The revision, as git understands it: `main`, `HEAD~1`, a commit.
        revision: String,
        /// A file or directory, from the root of the repository; all of it, if left out.
        path: Option<String>,
    },
    /// What is in the cluster now, written `cluster`.
    Cluster,
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty: name a file, a directory, -, git:REV[:PATH] or cluster".to_owned());
        }
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if text == "cluster" {
            return Ok(Self::Cluster);
        }
        let Some(git) = text.strip_prefix("git:") else {
            return Ok(Self::Path(PathBuf::from(text)));
        };
        let (revision, path) = match git.split_once(':') {
            Some((revision, path)) => (revision, Some(path.trim_matches('/')).filter(|path| !path.is_empty())),
            None => (git, None),
        };
        if revision.is_empty() {
            return Err("names no revision: write git:REV or git:REV:PATH, such as git:main:policies".to_owned());
        }
        Ok(Self::Git {
            revision: revision.to_owned(),
            path: path.map(str::to_owned),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("-"),
            Self::Git { revision, path: None } => write!(f, "git:{revision}"),
            Self::Git {
                revision,
                path: Some(path),
            } => write!(f, "git:{revision}:{path}"),
            Self::Cluster => f.write_str("cluster"),
        }
    }
}

/// One file's text, and what to call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As a person would find it again: a path, `standard input`, or `REV:path`.
    pub name: String,
    /// What is in it.
    pub content: String,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory cannot be read.
    #[error("cannot read {0}")]
    File(String, #[source] std::io::Error),
    /// A directory has no manifests.
    #[error("{0} has no file that ends in .yaml, .yml or .json: name the directory that has the manifests")]
    Empty(String),
    /// A file is no text.
    #[error("{0} is not UTF-8 text: manifests are YAML or JSON")]
    NotText(String),
    /// The cluster is no text; it is read with [`super::cluster`].
    #[error("the cluster is not read as text")]
    Cluster,
    /// There is no git to ask.
    #[error("cannot run git, which {0} needs")]
    NoGit(String, #[source] std::io::Error),
    /// Git knows nothing by that name.
    #[error("git cannot read {source_name}: {said}")]
    Git {
        /// The source.
        source_name: String,
        /// What git said.
        said: String,
    },
}

/// The texts of a source, in order of name.
pub fn read(source: &Source) -> Result<Vec<Text>, SourceError> {
    match source {
        Source::Path(path) => read_path(path),
        Source::Stdin => {
            let name = "standard input".to_owned();
            let mut content = Vec::new();
            std::io::stdin()
                .read_to_end(&mut content)
                .map_err(|error| SourceError::File(name.clone(), error))?;
            Ok(vec![text(name, content)?])
        }
        Source::Git { revision, path } => read_git(source, revision, path.as_deref(), Path::new(".")),
        Source::Cluster => Err(SourceError::Cluster),
    }
}

fn is_manifest(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn text(name: String, content: Vec<u8>) -> Result<Text, SourceError> {
    match String::from_utf8(content) {
        Ok(content) => Ok(Text { name, content }),
        Err(_) => Err(SourceError::NotText(name)),
    }
}

fn read_path(top: &Path) -> Result<Vec<Text>, SourceError> {
    let fault = |path: &Path| {
        let name = path.display().to_string();
        move |error| SourceError::File(name, error)
    };
    // A file that is named is read whatever it is called.
    if !fs::metadata(top).map_err(fault(top))?.is_dir() {
        let content = fs::read(top).map_err(fault(top))?;
        return Ok(vec![text(top.display().to_string(), content)?]);
    }
    let mut files = Vec::new();
    let mut open = vec![top.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(fault(&folder))? {
            let path = entry.map_err(fault(&folder))?.path();
            // A link to a directory is not followed: it could lead back here. A link to a file is, as mounted
            // ConfigMaps have them.
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else if is_manifest(&path.to_string_lossy()) && path.is_file() {
                files.push(path);
            }
        }
    }
    if files.is_empty() {
        return Err(SourceError::Empty(top.display().to_string()));
    }
    files.sort();
    files
        .iter()
        .map(|path| text(path.display().to_string(), fs::read(path).map_err(fault(path))?))
        .collect()
}

fn read_git(source: &Source, revision: &str, path: Option<&str>, repository: &Path) -> Result<Vec<Text>, SourceError> {
    let name = || source.to_string();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        // No shell, and nothing in a name is taken for an option or a pattern.
        command
            .arg("--literal-pathspecs")
            .args(arguments)
            .current_dir(repository);
        command
    };
    let refused = |said: &[u8]| SourceError::Git {
        source_name: name(),
        said: String::from_utf8_lossy(said).trim().to_owned(),
    };
    let mut list = git(&["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", revision, "--"]);
    let listed = list
        .args(path)
        .output()
        .map_err(|error| SourceError::NoGit(name(), error))?;
    if !listed.status.success() {
        return Err(refused(&listed.stderr));
    }
    // Each entry is `MODE blob HASH\tPATH`.
    let listing = String::from_utf8_lossy(&listed.stdout);
    let files: Vec<(&str, &str)> = listing
        .split('\0')
        .filter_map(|entry| entry.split_once('\t'))
        .filter(|(about, file)| about.contains(" blob ") && (is_manifest(file) || Some(*file) == path))
        .filter_map(|(about, file)| Some((about.rsplit(' ').next()?, file)))
        .collect();
    if files.is_empty() {
        return Err(SourceError::Empty(name()));
    }
    let mut child = git(&["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| SourceError::NoGit(name(), error))?;
    let mut asked = child.stdin.take();
    let mut hashes = files.iter().map(|(hash, _)| *hash).collect::<Vec<_>>().join("\n");
    hashes.push('\n');
    // Git answers while it is asked, so that one side alone would fill the pipe and wait for ever.
    let asking = std::thread::spawn(move || asked.as_mut().map_or(Ok(()), |pipe| pipe.write_all(hashes.as_bytes())));
    let answer = child
        .wait_with_output()
        .map_err(|error| SourceError::NoGit(name(), error))?;
    if !answer.status.success() || !matches!(asking.join(), Ok(Ok(()))) {
        return Err(refused(b"reading its files failed"));
    }
    let mut rest = answer.stdout.as_slice();
    let mut texts = Vec::new();
    for (_, file) in files {
        let (content, after) = next_blob(rest).ok_or_else(|| refused(b"its answer was cut short"))?;
        texts.push(text(format!("{revision}:{file}"), content.to_vec())?);
        rest = after;
    }
    texts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(texts)
}

/// The first blob of what `git cat-file --batch` prints (`HASH blob SIZE\nCONTENT\n`), and what comes after it.
fn next_blob(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let header = std::str::from_utf8(&answer[..end]).ok()?;
    let size: usize = header.rsplit(' ').next()?.parse().ok()?;
    let content = answer.get(end + 1..end.checked_add(1)?.checked_add(size)?)?;
    Some((content, answer.get(end + 1 + size + 1..)?))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_written() {
        let git = |revision: &str, path: Option<&str>| Source::Git {
            revision: revision.to_owned(),
            path: path.map(str::to_owned),
        };
        let table = [
            ("-", Source::Stdin),
            ("cluster", Source::Cluster),
            ("./cluster", Source::Path("./cluster".into())),
            ("policies/", Source::Path("policies/".into())),
            ("git:HEAD~1", git("HEAD~1", None)),
            ("git:main:policies/", git("main", Some("policies"))),
            ("git:main:", git("main", None)),
        ];
        for (text, source) in table {
            assert_eq!(text.parse::<Source>().unwrap(), source, "{text}");
        }
        for bad in ["", "git:", "git::policies"] {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
    }

    #[test]
    fn blobs_are_cut_by_their_size() {
        let answer = b"abc blob 3\na\nb\ndef blob 0\n\n";
        let (first, rest) = next_blob(answer).unwrap();
        assert_eq!(first, b"a\nb");
        assert_eq!(next_blob(rest).unwrap(), (&b""[..], &b""[..]));
        assert_eq!(next_blob(b"abc missing\n"), None);
        assert_eq!(next_blob(b"abc blob 9\nshort\n"), None);
    }
}
