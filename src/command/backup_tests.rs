use super::*;
use crate::sys::scratch::Scratch;
use std::fs;

/// A gateway that writes whenever the backup does.
struct Busy(PathBuf);

impl Write for Busy {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let mut file = fs::OpenOptions::new().append(true).open(&self.0)?;
        file.write_all(b"x")?;
        Ok(data.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_command_made_does_not_prevent_it() {
    let (home, deep) = (Scratch::named("backup-deep"), vec!["d"; 60].join("/"));
    fs::create_dir_all(home.join("workspace").join(&deep)).expect("folders");
    let done = save(&home, &home.join("workspace"), [None; 2], &mut Vec::new());
    assert_eq!(done.expect("saved").left_out.len(), 1);
    fs::create_dir_all(home.join("sessions").join(deep)).expect("folders");
    assert!(save(&home, &home.join("workspace"), [None; 2], &mut Vec::new()).is_err());
}

#[test]
fn a_changing_home_is_reported() {
    let home = Scratch::named("backup-busy");
    let workspace = home.join("workspace");
    fs::create_dir_all(workspace.join("sessions")).expect("a folder");
    fs::create_dir_all(home.join("sessions")).expect("a folder");
    let session = home.join("sessions/a.jsonl");
    fs::write(&session, vec![b'x'; tar_writer::BLOCK]).expect("a file");
    let done = save(&home, &workspace, [None; 2], &mut Busy(session.clone()));
    assert!(done.err().expect("an error").as_str().contains("writes without a pause"));
    assert!(save(&home, &workspace, [None; 2], &mut Vec::new()).is_ok());
    // A gateway of an earlier version; once the workspace is adopted it is a command's.
    let other = workspace.join("sessions/a.jsonl");
    fs::write(&other, vec![b'x'; tar_writer::BLOCK]).expect("a file");
    assert!(save(&home, &workspace, [None; 2], &mut Busy(other.clone())).is_err());
    fs::create_dir_all(home.join("state")).expect("a folder");
    fs::write(home.join(ADOPTED), "\n").expect("a file");
    assert!(save(&home, &workspace, [None; 2], &mut Busy(other)).is_ok());
}
