//! Replaces configuration files atomically.

use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::sys::beneath::{Root, path_meta};

/// Writes a file so that after a power cut the old or the new one is there: beside, fsync, rename, fsync of the folder.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    below(folder, Path::new(name), bytes, 0o700, true).map(drop)
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    Root::open(folder)?.strict(0o700).locate(Path::new(name), false)?.remove()?;
    Ok(())
}

/// Writes a file of a folder, in which no link is followed; missing folders are made with permissions `mode`. False where
/// something is there and is not to be replaced.
pub(super) fn below(
    folder: &Path,
    name: &Path,
    bytes: &[u8],
    mode: u32,
    over: bool,
) -> std::io::Result<bool> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|p| path_meta(p).is_none()).collect();
    let root = match missing.last().and_then(|top| top.parent()) {
        Some(above) => {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            let below = folder.strip_prefix(above).unwrap_or(folder);
            Root::open(above)?.strict(mode).below(below, true)?
        }
        None => Root::open(folder)?.strict(mode),
    };
    let place = root.locate(name, true)?;
    if place.exists() && !over {
        return Ok(false);
    }
    let fresh = place.fresh(0o600, Some(root.owners()?))?;
    fresh.file().write_all(bytes)?;
    fresh.finish(over, true)?;
    Ok(true)
}
