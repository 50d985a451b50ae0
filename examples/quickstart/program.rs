//! The operator's program: found beside this one, or built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use rollcall_support::process::find_program;
use rollcall_support::world::checkout;

use crate::Result;

/// `rollcall` in the target directory that this example was built into, newer than every source.
pub fn rollcall() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let profile = this
        .parent()
        .and_then(Path::parent)
        .ok_or("this example does not lie in a target directory")?;
    let program = profile.join(format!("rollcall{}", std::env::consts::EXE_SUFFIX));
    let built = std::fs::metadata(&program).and_then(|metadata| metadata.modified());
    if built.is_ok_and(|built| newest_source().is_ok_and(|source| source <= built)) {
        return Ok(program);
    }
    build(profile)?;
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("cargo has built no {}", program.display()).into())
}

fn newest_source() -> std::io::Result<SystemTime> {
    let root = checkout();
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut waiting = vec![root.join("src"), root.join("Cargo.toml"), root.join("Cargo.lock")];
    while let Some(path) = waiting.pop() {
        let metadata = std::fs::metadata(&path)?;
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else {
            newest = newest.max(metadata.modified()?);
        }
    }
    Ok(newest)
}

fn build(profile: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO")
        .map(PathBuf::from)
        .or_else(|| find_program(Path::new("cargo")))
        .ok_or("the operator has to be built, but there is no `cargo`: install Rust from https://rustup.rs")?;
    eprintln!("building the operator");
    let mut command = Command::new(cargo);
    // Together with this example, which is there already: the same features, and so nothing is built twice.
    command
        .args(["build", "--bin", "rollcall", "--example", "quickstart"])
        .arg("--manifest-path")
        .arg(checkout().join("Cargo.toml"));
    match profile.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => {}
        Some(name) => {
            command.args(["--profile", name]);
        }
    }
    // The story alone is on standard output.
    let status = command.stdout(std::process::Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("the operator could not be built ({status}): see cargo's words above").into())
}
