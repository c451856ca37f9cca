//! Every file below a folder, by relative path; never through a link.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::Result;
use crate::limits::{TREE_DEPTH, TREE_NAMES, TREE_PATH_BYTES};
use crate::sys::beneath::{Fault, Root};

/// What a path leads to.
pub enum EntryKind {
    /// Comes before what is in it.
    Folder,
    /// A regular file.
    File,
    /// A link, a device, a pipe, a socket, a name that is no text: the reason.
    Skipped(&'static str),
    /// A folder with more in it than is read, too deep, or with too long a path: the reason.
    TooLarge(String),
    /// It should have been read and cannot be: the reason.
    Unread(String),
}

/// Calls `each` for all that is below `at` (the empty text is the root itself), sorted by name; a folder is entered where
/// it answers with true. What is gone meanwhile is passed over.
///
/// # Errors
/// Those of `each`.
pub fn walk(
    root: &Root,
    at: &str,
    each: &mut dyn FnMut(&str, EntryKind) -> Result<bool>,
) -> Result<()> {
    below(root, at, 0, each)
}

/// `folder/name`.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { [folder, "/", name].concat() }
}

/// There is no such file any more.
pub fn is_gone(fault: &Fault) -> bool {
    matches!(fault, Fault::Io(e) if e.kind() == ErrorKind::NotFound)
}

fn below(
    root: &Root,
    at: &str,
    depth: usize,
    each: &mut dyn FnMut(&str, EntryKind) -> Result<bool>,
) -> Result<()> {
    if depth > TREE_DEPTH {
        let why = format!("more than {TREE_DEPTH} folders deep");
        return each(at, EntryKind::TooLarge(why)).map(drop);
    }
    let listed = root.locate(Path::new(at), false).and_then(|place| place.list(TREE_NAMES));
    let (mut entries, more) = match listed {
        Ok(listed) => listed,
        Err(fault) if is_gone(&fault) => return Ok(()),
        Err(fault) => return each(at, EntryKind::Unread(fault.to_string())).map(drop),
    };
    if more {
        let why = format!("more than {TREE_NAMES} names in it");
        return each(at, EntryKind::TooLarge(why)).map(drop);
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let path = join(at, &entry.name.to_string_lossy());
        let what = if entry.name.to_str().is_none() {
            EntryKind::Skipped("its name is no UTF-8 text")
        } else if path.len() > TREE_PATH_BYTES {
            let why = format!("its path has more than {TREE_PATH_BYTES} bytes");
            each(&path, EntryKind::TooLarge(why))?;
            continue;
        } else if entry.folder {
            EntryKind::Folder
        } else {
            match fs::symlink_metadata(root.path().join(&path)) {
                Ok(meta) if meta.is_file() => EntryKind::File,
                Ok(meta) if meta.is_symlink() => EntryKind::Skipped("a link"),
                Ok(_) => EntryKind::Skipped("no regular file"),
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => EntryKind::Unread(e.to_string()),
            }
        };
        if each(&path, what)? && entry.folder {
            below(root, &path, depth + 1, each)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    fn seen(dir: &Path) -> Vec<String> {
        let mut out = Vec::new();
        walk(&Root::open(dir).expect("a root"), "", &mut |path, what| {
            out.push(match what {
                EntryKind::Folder => format!("{path}/"),
                EntryKind::File => path.to_owned(),
                EntryKind::Skipped(why) => format!("{path}: {why}"),
                EntryKind::TooLarge(why) => format!("{path}? {why}"),
                EntryKind::Unread(why) => format!("{path}! {why}"),
            });
            Ok(path != "closed")
        })
        .expect("walked");
        out
    }

    #[test]
    fn contents() {
        let dir = Scratch::named("tree");
        for path in ["b/x", "a", "closed/y"] {
            fs::create_dir_all(dir.join(path).parent().expect("a parent")).expect("a folder");
            fs::write(dir.join(path), "").expect("a file");
        }
        std::os::unix::fs::symlink("/etc", dir.join("link")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(dir.join("s")).expect("a socket");
        let want = ["a", "b/", "b/x", "closed/", "link: a link", "s: no regular file"];
        assert_eq!(seen(&dir), want);
    }

    #[test]
    fn bounds() {
        let dir = Scratch::named("tree-deep");
        let deep = vec!["d"; TREE_DEPTH + 2].join("/");
        fs::create_dir_all(dir.join(&deep)).expect("folders");
        assert!(seen(&dir).last().is_some_and(|l| l.contains("? more than")));
        let long = Scratch::named("tree-long");
        let _ = fs::create_dir_all(long.join(vec!["n".repeat(250); 9].join("/")));
        assert!(seen(&long).last().is_some_and(|l| l.contains("? its path has")));
        let wide = Scratch::named("tree-wide");
        for n in 0..=TREE_NAMES {
            fs::File::create(wide.join(n.to_string())).expect("a file");
        }
        assert_eq!(seen(&wide).len(), 1);
        fs::remove_dir_all(&wide).expect("removed");
    }
}
