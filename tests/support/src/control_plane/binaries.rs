//! Where etcd, the API server, the controller manager and kubectl come from.

use crate::process::{CacheEntry, Context as _, Error, Result, Spec, cached, find_program, output, step};
use std::path::{Path, PathBuf};

const NAMES: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// The version that is built where nobody provides one.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

const GO_MOD: &str = include_str!("../../control-plane/go.mod");
const GO_SUM: &str = include_str!("../../control-plane/go.sum");
const MAIN_GO: &str = include_str!("../../control-plane/main.go");

// Without them the API server says that it is v0.0.0-master, which a chart's kubeVersion refuses.
const LDFLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
                       -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

/// The programs of a control plane.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The directory that holds them, each under its name.
    pub directory: PathBuf,
    /// Whether they were built from the Go modules that come with this crate, and so are [`KUBERNETES_VERSION`].
    pub built: bool,
}

impl Binaries {
    /// Those of `KUBEBUILDER_ASSETS`, else those on `PATH` if all are in one directory of it, else built from Go
    /// modules, once per machine and version (five minutes on two cores).
    pub async fn find() -> Result<Binaries> {
        if let Some(directory) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()) {
            let directory = PathBuf::from(directory);
            let missing: Vec<&str> = NAMES
                .into_iter()
                .filter(|name| !directory.join(name).is_file())
                .collect();
            if missing.is_empty() {
                return Ok(Binaries {
                    directory,
                    built: false,
                });
            }
            return Err(Error(format!(
                "KUBEBUILDER_ASSETS is {}, which has no {}. Unset it to have them built from source",
                directory.display(),
                missing.join(", no ")
            )));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let complete = |directory: &PathBuf| NAMES.into_iter().all(|name| directory.join(name).is_file());
        if let Some(directory) = std::env::split_paths(&path).find(complete) {
            return Ok(Binaries {
                directory,
                built: false,
            });
        }
        Ok(Binaries {
            directory: build().await?,
            built: true,
        })
    }

    /// The path of one of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

async fn build() -> Result<PathBuf> {
    let entry = CacheEntry {
        name: "control-plane",
        inputs: &[GO_MOD, GO_SUM, MAIN_GO, LDFLAGS, std::env::consts::ARCH],
    };
    cached(entry, async |directory: &Path| {
        if find_program(Path::new("go")).is_none() {
            return Err(Error(
                "the tests and the quickstart need a Kubernetes control plane and build one with Go, but there is no `go`. \
                 Install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver, \
                 kube-controller-manager and kubectl"
                    .into(),
            ));
        }
        let source = directory.join("source");
        std::fs::create_dir(&source).context(|| format!("make the directory {}", source.display()))?;
        for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM), ("main.go", MAIN_GO)] {
            std::fs::write(source.join(name), text).context(|| format!("write {name}"))?;
        }
        let go = |args: &[&str]| {
            Spec::new("go")
                .args(args)
                .directory(&source)
                .env("CGO_ENABLED", "0")
                .env("GOWORK", "off")
                .env("GOFLAGS", "-mod=readonly")
                .without_env("GOOS")
                .without_env("GOARCH")
        };
        eprintln!("building the control plane (once, about 5 minutes)");
        let program = directory.join("control-plane");
        let build = go(&["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", LDFLAGS, "-o"])
            .arg(&program)
            .arg(".");
        step(&build, &directory.join("log"), |log| {
            let downloaded = log.lines().filter(|line| line.starts_with("go: downloading ")).count();
            let compiled = log.lines().filter(|line| !line.starts_with("go: ")).count();
            format!(
                "building the control plane (once, about 5 minutes): {downloaded} modules downloaded, \
                 {compiled} packages compiled"
            )
        })
        .await?;
        for name in NAMES {
            std::os::unix::fs::symlink("control-plane", directory.join(name)).context(|| format!("link {name}"))?;
        }
        let version = output(Spec::new(directory.join("kube-apiserver")).arg("--version"), None).await?;
        if version.stdout.trim() != format!("Kubernetes {KUBERNETES_VERSION}") {
            return Err(Error(format!(
                "the built kube-apiserver does not work: {}{}",
                version.stdout, version.stderr
            )));
        }
        eprintln!("the control plane is built");
        Ok(())
    })
    .await
}
