//! Embeddings of chunks: nearest-neighbour search, combined with full-text search.
//!
//! # Format (little endian)
//! 24 bytes: magic, sum of the model's name u64, dimensions u32, checksum u32. Then one record for each chunk: its
//! [`ChunkRecord::id`] u64, a scale f32, and its unit vector with an i8 for each dimension. A record stays valid when the
//! index is merged, because the id is derived from the chunk itself. The file is derived data: for another model, or if
//! corrupt, it is rebuilt, and an incomplete record at its end is cut off.

use std::collections::HashMap;
use std::io::{BufReader, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::folder::IndexFolder;
use super::record::{ChunkRecord, broken};
use super::{Folders, SearchResult, query, sources};
use crate::limits::{EMBED_CHUNKS, EMBED_DIMENSIONS};
use crate::proto::fnv::{FNV, fnv, hash32};
use crate::store::atomic;
use crate::store::dir::Dir;
use crate::sys::beneath::File;

const MAGIC: &[u8; 8] = b"PCVEC-1\n";
const HEAD: usize = 24;
/// Reciprocal rank fusion's constant (Cormack, Clarke, Büttcher 2009).
const RANK: f32 = 60.0;

/// The vectors of one model.
pub struct Vectors {
    path: PathBuf,
    model: u64,
    /// 0 before the first vector.
    dimensions: usize,
}

fn head(model: u64, dimensions: usize) -> [u8; HEAD] {
    let mut out = [0; HEAD];
    out[..8].copy_from_slice(MAGIC);
    out[8..16].copy_from_slice(&model.to_le_bytes());
    out[16..20].copy_from_slice(&(dimensions as u32).to_le_bytes());
    let sum = hash32(fnv(FNV, &out[..20]));
    out[20..].copy_from_slice(&sum.to_le_bytes());
    out
}

/// The vector scaled to length 1; `None` for a zero vector.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    (length.is_normal()).then(|| vector.iter().map(|x| x / length).collect())
}

impl Vectors {
    /// The vectors of this model in the index's folder.
    pub fn open(dir: &Path, model: &str) -> Vectors {
        let path = dir.join("vectors");
        let model = fnv(FNV, model.as_bytes());
        let mut vectors = Vectors { path, model, dimensions: 0 };
        vectors.dimensions = vectors.check().unwrap_or(0);
        vectors
    }

    /// Opens the file, which is there.
    fn file(&self) -> Result<File> {
        let (dir, name) = Dir::parent_of(&self.path, 1)?;
        dir.change(name)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The file's dimensions; cuts off an incomplete record.
    fn check(&self) -> Result<usize> {
        let mut file = self.file()?;
        let mut bytes = [0; HEAD];
        file.read_exact(&mut bytes)?;
        let dimensions = u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]) as usize;
        let good = (1..=EMBED_DIMENSIONS).contains(&dimensions);
        if !good || bytes != head(self.model, dimensions) {
            return Err(broken("these are vectors of another model"));
        }
        let length = file.metadata()?.len() - HEAD as u64;
        let torn = length % (12 + dimensions as u64);
        if torn > 0 {
            file.set_len(HEAD as u64 + length - torn)?;
        }
        Ok(dimensions)
    }

    /// Calls `each` with every record's id, scale and vector.
    fn walk(&self, each: &mut dyn FnMut(u64, f32, &[u8])) -> Result<()> {
        if self.dimensions == 0 {
            return Ok(());
        }
        let mut file = self.file()?;
        file.seek(SeekFrom::Start(HEAD as u64))?;
        let mut reader = BufReader::with_capacity(8192, file);
        let mut record = vec![0; 12 + self.dimensions];
        while reader.read_exact(&mut record).is_ok() {
            let (number, rest) = record.split_at(8);
            let (scale, vector) = rest.split_at(4);
            let number = u64::from_le_bytes(number.try_into().unwrap_or_default());
            each(number, f32::from_le_bytes(scale.try_into().unwrap_or_default()), vector);
        }
        Ok(())
    }

    /// Adds vectors of chunks. Vectors of a new length replace the file.
    ///
    /// # Errors
    /// The disk's; vectors that are too long.
    pub fn add(&mut self, items: &[(u64, Vec<f32>)]) -> Result<()> {
        let Some((_, first)) = items.first() else { return Ok(()) };
        let dimensions = first.len();
        if !(1..=EMBED_DIMENSIONS).contains(&dimensions) {
            return Err(broken("the model's vectors are too long"));
        }
        let mut bytes = Vec::with_capacity(items.len() * (12 + dimensions));
        for (number, vector) in items.iter().filter(|(_, vector)| vector.len() == dimensions) {
            // A zero vector gets a record too, so that it is not requested again.
            let vector = unit(vector).unwrap_or_else(|| vec![0.0; dimensions]);
            let most = vector.iter().fold(1e-9_f32, |most, x| most.max(x.abs()));
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&(most / 127.0).to_le_bytes());
            bytes.extend(vector.iter().map(|x| (x / most * 127.0).round() as i8 as u8));
        }
        if self.dimensions != dimensions {
            let all = [&head(self.model, dimensions)[..], &bytes].concat();
            atomic::write(&self.path, &all, 0o600)
                .map_err(|e| std::io::Error::other(e.to_string()))?;
            self.dimensions = dimensions;
            return Ok(());
        }
        let mut file = self.file()?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(&bytes)?;
        file.sync_data()
    }

    /// Similarity (cosine) and ids of the `limit` nearest, nearest first.
    fn nearest(&self, wanted: &[f32], limit: usize) -> Result<Vec<(f32, u64)>> {
        let Some(wanted) = unit(wanted).filter(|v| v.len() == self.dimensions) else {
            return Ok(Vec::new());
        };
        let mut best: Vec<(f32, u64)> = Vec::new();
        self.walk(&mut |number, scale, vector| {
            let dot: f32 = vector.iter().zip(&wanted).map(|(a, b)| f32::from(*a as i8) * b).sum();
            let near = dot * scale;
            if near > 0.0 && (best.len() < limit || best.last().is_some_and(|b| near > b.0)) {
                let at = best.partition_point(|b| b.0 >= near);
                best.insert(at, (near, number));
                best.truncate(limit);
            }
        })?;
        Ok(best)
    }

    /// Rewrites the file if more than half of its chunks are gone.
    fn compact(&self, live: &[(u64, ChunkRecord)], have: usize) -> Result<()> {
        if have < 2 * live.len() + 1000 {
            return Ok(());
        }
        let kept: std::collections::HashSet<u64> = live.iter().map(|(number, _)| *number).collect();
        let written = atomic::replace(&self.path, 0o600, &mut |out| {
            out.write_all(&head(self.model, self.dimensions))?;
            let mut done = Ok(());
            self.walk(&mut |number, scale, vector| {
                if done.is_ok() && kept.contains(&number) {
                    let record = [&number.to_le_bytes()[..], &scale.to_le_bytes(), vector].concat();
                    done = out.write_all(&record);
                }
            })?;
            done
        });
        written.map_err(|e| std::io::Error::other(e.to_string()))
    }
}

/// Ids and records of the live chunks, newest first, at most [`EMBED_CHUNKS`].
fn live(folder: &IndexFolder) -> Result<Vec<(u64, ChunkRecord)>> {
    let mut found = Vec::new();
    for (n, segment) in folder.segments.iter().enumerate().rev() {
        let mut cursor = segment.chunks(0);
        // A document's chunks are adjacent.
        let mut last = (0, false);
        while let Some(place) = cursor.chunk()? {
            if last.0 != place.key {
                last = (place.key, folder.is_replaced(n, place.key)?);
            }
            if !last.1 && found.len() < EMBED_CHUNKS {
                found.push((place.id(), place));
            }
        }
    }
    Ok(found)
}

/// Chunks without a vector, at most `limit`: their ids and texts. Call it after a search, which updates
/// the index.
///
/// # Errors
/// I/O; corrupt data.
pub fn missing(folders: &Folders, model: &str, limit: usize) -> Result<Vec<(u64, String)>> {
    let folder = IndexFolder::open(&folders.index);
    let root = Dir::shared(&folders.workspace)?;
    let vectors = Vectors::open(&folders.index, model);
    let mut have: Vec<u64> = Vec::new();
    vectors.walk(&mut |number, _, _| have.push(number))?;
    have.sort_unstable();
    let live = live(&folder)?;
    vectors.compact(&live, have.len())?;
    let lacking = live.into_iter().filter(|(number, _)| have.binary_search(number).is_err());
    let texts = lacking
        .filter_map(|(number, place)| Some((number, sources::text(&root, &folders.home, place)?)));
    Ok(texts.take(limit).collect())
}

/// Stores vectors of chunks.
///
/// # Errors
/// As [`Vectors::add`].
pub fn keep(dir: &Path, model: &str, items: &[(u64, Vec<f32>)]) -> Result<()> {
    let _folder = IndexFolder::open(dir);
    Vectors::open(dir, model).add(items)
}

/// Merges full-text and embedding results by reciprocal rank.
///
/// # Errors
/// I/O; corrupt data.
pub fn fused(
    folders: &Folders,
    query: &str,
    (model, wanted): (&str, &[f32]),
    limit: usize,
) -> Result<SearchResult> {
    let folder = IndexFolder::open(&folders.index);
    let root = Dir::shared(&folders.workspace)?;
    let by_words = query::best(&folder, query, 2 * limit)?;
    let by_words = by_words.into_iter().map(|(_, place)| (place.id(), place));
    let near = Vectors::open(&folders.index, model).nearest(wanted, 2 * limit)?;
    let places: HashMap<u64, ChunkRecord> =
        live(&folder)?.into_iter().filter(|(n, _)| near.iter().any(|near| near.1 == *n)).collect();
    let by_meaning = near.iter().filter_map(|(_, n)| Some((*n, *places.get(n)?)));
    let mut all: Vec<(f32, u64, ChunkRecord)> = Vec::new();
    for (rank, (number, place)) in by_words.enumerate().chain(by_meaning.enumerate()) {
        let score = 1.0 / (RANK + rank as f32 + 1.0);
        match all.iter_mut().find(|(_, known, _)| *known == number) {
            Some((sum, _, _)) => *sum += score,
            None => all.push((score, number, place)),
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let hits = all
        .into_iter()
        .filter_map(|(_, _, place)| sources::hit(&root, &folders.home, place, query));
    Ok(SearchResult { hits: hits.take(limit).collect(), notes: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::index::search;
    use crate::sys::scratch::Scratch;
    use std::fs;

    #[test]
    fn the_nearest_are_found() {
        let dir = Scratch::named("vectors");
        let mut vectors = Vectors::open(&dir, "m");
        assert!(vectors.nearest(&[1.0, 0.0], 3).expect("none").is_empty());
        vectors
            .add(&[(1, vec![1.0, 0.0]), (2, vec![0.0, 5.0]), (3, vec![0.0, 0.0])])
            .expect("added");
        vectors.add(&[(4, vec![1.0, 1.0])]).expect("added");
        let near = |v: &Vectors, q: &[f32]| -> Vec<u64> {
            v.nearest(q, 3).expect("read").into_iter().map(|n| n.1).collect()
        };
        assert_eq!(near(&vectors, &[1.0, 0.1]), [1, 4, 2]);
        assert_eq!(near(&vectors, &[0.0, 0.0]), [] as [u64; 0]);
        assert_eq!(near(&vectors, &[1.0]), [] as [u64; 0], "of another length");
        // Half a record goes, another model begins anew.
        let path = dir.join("vectors");
        let mut bytes = fs::read(&path).expect("there");
        bytes.truncate(bytes.len() - 3);
        fs::write(&path, bytes).expect("cut");
        assert_eq!(near(&Vectors::open(&dir, "m"), &[1.0, 0.1]), [1, 2]);
        let mut other = Vectors::open(&dir, "n");
        assert_eq!(near(&other, &[1.0, 0.1]), [] as [u64; 0]);
        other.add(&[(9, vec![1.0])]).expect("begun anew");
        assert_eq!(near(&Vectors::open(&dir, "n"), &[1.0]), [9]);
        assert!(other.add(&[(9, vec![1.0; EMBED_DIMENSIONS + 1])]).is_err());
    }

    #[test]
    fn words_and_meaning_are_put_together() {
        let dir = Scratch::named("vectors-fused");
        let ws = dir.join("ws");
        let index = dir.join("index");
        let folders =
            Folders { workspace: ws.clone(), home: dir.to_path_buf(), index: index.clone() };
        fs::create_dir_all(ws.join("memory")).expect("a folder");
        fs::write(
            ws.join("memory/MEMORY.md"),
            "# A\nthe car is red\n# B\nan automobile\n# C\ntea\n",
        )
        .expect("written");
        assert_eq!(search(&folders, "car", 5).hits.len(), 1);
        let lacking = missing(&folders, "m", 9).expect("looked");
        assert_eq!(lacking.len(), 3, "{lacking:?}");
        let vector = |text: &str| match text.contains("car") || text.contains("auto") {
            true => vec![1.0, 0.1],
            false => vec![-0.1, 1.0],
        };
        let items: Vec<_> = lacking.iter().map(|(n, text)| (*n, vector(text))).collect();
        keep(&index, "m", &items).expect("kept");
        assert!(missing(&folders, "m", 9).expect("looked").is_empty());
        let found = fused(&folders, "car", ("m", &[1.0, 0.1]), 5).expect("found");
        let sections: Vec<_> = found.hits.iter().map(|h| h.section.as_str()).collect();
        assert_eq!(sections, ["A", "B"]);
        // A chunk that is gone is not found, though its vector is there.
        fs::write(ws.join("memory/MEMORY.md"), "# C\ntea\n").expect("written");
        search(&folders, "car", 5);
        assert!(fused(&folders, "car", ("m", &[1.0, 0.1]), 5).expect("found").hits.is_empty());
    }
}
