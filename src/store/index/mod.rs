//! Full-text search: BM25 over MEMORY.md, the daily notes and the sessions' summaries.
//!
//! The index is a few segments in a folder of the daemon's state. Each search first updates it: changed files
//! are read into a new small segment, only the new end of a note that grew; from time to time neighbours
//! are merged ([`folder`]). A search reads a few hundred bytes of each segment for each of its words ([`query`]), never
//! the whole. The index is derived data: a corrupt one is set aside and rebuilt. Blocks on the disk.

pub mod cursor;
pub mod folder;
pub mod query;
pub mod record;
pub mod segment;
pub mod sources;
pub mod update;
#[cfg(feature = "embeddings")]
pub mod vectors;
pub mod write;

use std::io;
use std::path::PathBuf;

use crate::store::dir::Dir;
use folder::IndexFolder;

/// A chunk that matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryHit {
    /// File, relative to the workspace.
    pub file: String,
    /// Line of the file; 0 in a summary, which is one line of its file.
    pub line: u32,
    /// Heading above it, or empty.
    pub section: String,
    /// Day of the note (`2026-02-17`), day of the summary, or empty.
    pub date: String,
    /// Text of the chunk, as the model reads it.
    pub text: String,
}

/// The result of a search.
#[derive(Clone, Debug, Default)]
pub struct SearchResult {
    /// Chunks that match, the best first.
    pub hits: Vec<MemoryHit>,
    /// Warnings for the user: the index is incomplete or could not be saved.
    pub notes: Vec<String>,
}

/// The folders of an assistant's memory.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Workspace, whose `memory` folder is indexed.
    pub workspace: PathBuf,
    /// Has `sessions/`, whose summaries are searched too.
    pub home: PathBuf,
    /// The index; can be rebuilt from the others.
    pub index: PathBuf,
}

/// Searches the memory. Never fails: problems are reported in the notes.
pub fn search(folders: &Folders, query: &str, limit: usize) -> SearchResult {
    let mut found = SearchResult::default();
    for _ in 0..2 {
        let mut folder = IndexFolder::open(&folders.index);
        match attempt(&mut folder, folders, query, limit) {
            Ok(done) => {
                found.hits = done.hits;
                found.notes.extend(done.notes);
                found.notes.extend(folder.trouble.take());
                return found;
            }
            Err(e) => {
                crate::log::warn!("the index of the memory is broken ({e}); it is rebuilt");
                folder.set_aside();
                found.notes = vec![format!("the index was broken ({e}) and is rebuilt")];
            }
        }
    }
    found
}

fn attempt(
    folder: &mut IndexFolder,
    folders: &Folders,
    query: &str,
    limit: usize,
) -> io::Result<SearchResult> {
    if let Some(e) = folder.broken.take() {
        return Err(e);
    }
    let mut found = SearchResult::default();
    let Ok(root) = Dir::shared(&folders.workspace) else { return Ok(found) };
    found.notes = update::update(folder, &root, &folders.home)?;
    let scored = query::best(folder, query, limit * 2)?;
    for (_, place) in scored {
        if let Some(hit) = sources::hit(&root, &folders.home, place, query) {
            found.hits.push(hit);
        }
        if found.hits.len() == limit {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
