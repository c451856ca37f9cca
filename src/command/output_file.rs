//! Files that a command writes where its user says: a backup, a picture.

use std::path::Path;

use crate::error::{Error, Result};
use crate::sys::beneath::Root;

/// Refuses to write `file` over what is not a regular file, into the workspace (commands of the model read it), and into the
/// home; but directly in the home a name with one of `endings` is as good as any, because nothing of ours has such a name.
///
/// # Errors
/// Why another name is needed.
pub fn check(file: &Path, home: &Path, workspace: &Path, endings: &[&str]) -> Result<()> {
    let refuse = |why: String| Err(Error::new(format!("cannot write {}: {why}", file.display())));
    if file.symlink_metadata().is_ok_and(|meta| !meta.is_file()) {
        return refuse("it is not a regular file; choose another name".into());
    }
    let real = |path: &Path| Root::open(path).ok().map(|root| root.path().to_owned());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Where there is no such folder, whoever opens the file says so.
    let Some(folder) = real(folder.unwrap_or(Path::new("."))) else { return Ok(()) };
    if real(workspace).is_some_and(|workspace| folder.starts_with(workspace)) {
        return refuse(
            "commands of the model can read the workspace; choose another folder".into(),
        );
    }
    let Some(home) = real(home).filter(|home| folder.starts_with(home)) else { return Ok(()) };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if folder == home && endings.iter().any(|ending| name.ends_with(ending)) {
        return Ok(());
    }
    let name = format!("NAME{}", endings.first().unwrap_or(&""));
    refuse(format!("it is in the home; choose another folder, or {}", home.join(name).display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use crate::sys::scratch::Scratch;

    #[test]
    fn a_commands_output_replaces_nothing_of_the_home_and_no_device() {
        let scratch = Scratch::named("output-file");
        let (home, workspace) = (scratch.join("home"), scratch.join("elsewhere"));
        for folder in [home.join("state"), home.join("workspace"), workspace.clone()] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(home.join("config.json"), "{}").expect("a file");
        symlink(&home, scratch.join("link")).expect("a link");
        symlink(home.join("config.json"), scratch.join("x.tgz")).expect("a link");
        let check = |path: &str, want: &str| {
            let done = super::check(&scratch.join(path), &home, &workspace, &[".tar.gz", ".tgz"]);
            let said = done.err().map_or(String::new(), |e| e.to_string());
            assert!(if want.is_empty() { said.is_empty() } else { said.contains(want) }, "{said}");
        };
        check("saved.tgz", "");
        check("nowhere/saved.tgz", "");
        check("home/saved.tar.gz", "");
        check("home/config.json", "it is in the home");
        check("home/state/saved.tgz", "it is in the home");
        check("home/workspace/saved.tgz", "it is in the home");
        check("link/config.json", "it is in the home");
        check("elsewhere/saved.tgz", "can read the workspace");
        for other in ["x.tgz", "home", "/dev/null", "/dev/stdout"] {
            check(other, "not a regular file");
        }
    }
}
