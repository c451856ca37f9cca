//! Searches in a workspace that changes.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::limits::{CHUNK_BYTES, INDEX_DOCS, INDEX_UPDATE_BYTES, SEARCH_EXCERPT, SEARCH_TERMS};
use crate::sys::scratch::Scratch;

struct Home {
    dir: Scratch,
    workspace: PathBuf,
}

impl Home {
    fn new(name: &str) -> Home {
        let dir = Scratch::named(name);
        let workspace = dir.join("ws");
        fs::create_dir_all(&workspace).expect("a workspace");
        Home { dir, workspace }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.workspace.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    fn append(&self, path: &str, text: &str) {
        use std::io::Write;
        let file = fs::OpenOptions::new().append(true).open(self.workspace.join(path));
        file.expect("there").write_all(text.as_bytes()).expect("appended");
    }

    fn search(&self, query: &str) -> SearchResult {
        let (workspace, home) = (self.workspace.clone(), self.workspace.clone());
        search(&Folders { workspace, home, index: self.dir.join("index") }, query, 5)
    }

    /// Files and lines, in the order of the hits.
    #[track_caller]
    fn check(&self, query: &str, want: &[(&str, u32)]) -> SearchResult {
        let found = self.search(query);
        let have: Vec<_> = found.hits.iter().map(|h| (h.file.as_str(), h.line)).collect();
        assert_eq!(have, want, "{query}: {found:?}");
        found
    }

    fn segments(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.dir.join("index")).expect("an index");
        let entries =
            entries.flatten().filter(|e| e.path().extension().is_some_and(|e| e == "idx"));
        let mut all: Vec<_> = entries
            .map(|e| {
                (e.file_name().into_string().expect("a name"), e.metadata().map_or(0, |m| m.len()))
            })
            .collect();
        all.sort();
        all
    }
}

#[test]
fn memory_notes_and_summaries_are_found() {
    let home = Home::new("index-kinds");
    home.write("memory/MEMORY.md", "# Memory\n\n## People\n- Ann likes green tea\n");
    home.write("memory/202602/20260217.md", "# 2026-02-17\n\n- the bicycle is at Tom's shop\n");
    home.write("memory/202602/20260218.md", "# 2026-02-18\n\n- 猫の名前はタマです\n");
    let meta = r#"{"key":"telegram:1","summary":"They planned a trip to Lisbon.","updated_at":"2026-03-01T10:00:00Z"}"#;
    home.write("sessions/telegram_1.meta.json", meta);
    let found = home.check("green tea", &[("memory/MEMORY.md", 4)]);
    assert_eq!((found.hits[0].section.as_str(), found.hits[0].date.as_str()), ("People", ""));
    let found = home.check("Bicycles", &[("memory/202602/20260217.md", 3)]);
    assert_eq!(
        (found.hits[0].section.as_str(), found.hits[0].date.as_str()),
        ("2026-02-17", "2026-02-17")
    );
    home.check("猫", &[("memory/202602/20260218.md", 3)]);
    home.check("タマ", &[("memory/202602/20260218.md", 3)]);
    let found = home.check("lisbon", &[("sessions/telegram_1.meta.json", 0)]);
    assert_eq!(
        (found.hits[0].text.as_str(), found.hits[0].date.as_str()),
        ("They planned a trip to Lisbon.", "2026-03-01")
    );
    home.check("elephant", &[]);
    home.check("...", &[]);
    assert!(found.notes.is_empty());
}

#[test]
fn nothing_to_search_is_no_error() {
    let home = Home::new("index-none");
    home.check("anything", &[]);
    fs::remove_dir(&home.workspace).expect("removed");
    assert!(home.check("anything", &[]).notes.is_empty());
}

#[test]
fn the_rarer_word_and_the_shorter_chunk_win() {
    let home = Home::new("index-order");
    for day in 1..=9 {
        home.write(
            &format!("memory/202601/2026010{day}.md"),
            "tea in the morning, and the usual walk\n",
        );
    }
    home.write("memory/202602/20260201.md", "tea with Ann\n");
    let found = home.search("tea Ann");
    assert_eq!(found.hits[0].file, "memory/202602/20260201.md");
    assert_eq!(found.hits.len(), 5);
    assert_eq!(found.hits[1].file, "memory/202601/20260109.md", "of equal ones the newest");
}

#[test]
fn changes_are_seen_and_nothing_else_is_read() {
    let home = Home::new("index-changes");
    let note = "memory/202602/20260217.md";
    let old = "memory/202602/20260216.md";
    home.write(note, "alpha here\n");
    home.write(old, "omega there\n");
    home.check("alpha", &[(note, 1)]);
    let first = home.segments();
    home.check("omega", &[(old, 1)]);
    assert_eq!(home.segments(), first, "nothing changed, nothing is written");
    home.append(note, "beta followed\n");
    home.check("beta", &[(note, 2)]);
    assert_eq!(home.segments().len(), 2, "{:?}", home.segments());
    let chunks: Vec<_> =
        IndexFolder::open(&home.dir.join("index")).segments.iter().map(|s| s.foot.chunks).collect();
    assert_eq!(chunks, [2, 1], "only the tail was read");
    home.check("alpha", &[(note, 1)]);
    // Another content of the same length.
    home.write(note, "gamma here\nbeta followed\n");
    home.check("alpha", &[]);
    home.check("gamma", &[(note, 1)]);
    fs::remove_file(home.workspace.join(old)).expect("removed");
    home.check("omega", &[]);
    fs::remove_dir_all(home.workspace.join("memory/202602")).expect("removed");
    home.check("gamma", &[]);
    home.write(note, "delta\n");
    home.check("delta", &[(note, 1)]);
}

#[test]
fn many_small_changes_stay_few_segments() {
    let home = Home::new("index-merge");
    let note = "memory/202602/20260217.md";
    home.write(note, "start\n");
    for n in 0..40 {
        home.append(note, &format!("entry number{n}\n"));
        home.check(&format!("number{n}"), &[(note, n + 2)]);
    }
    assert!(home.segments().len() < 8, "{:?}", home.segments());
    home.check("number7", &[(note, 9)]);
    assert!(home.search("entry").hits.len() == 5);
}

#[test]
fn a_long_note_is_indexed_in_pieces() {
    let home = Home::new("index-long");
    let note = "memory/202602/20260217.md";
    let mut text = String::new();
    for n in 0..30_000 {
        text.push_str(&format!("line {n} unique{n}\n"));
    }
    home.write(note, &text);
    let line = |n: u32| {
        let found = home.search(&format!("unique{n}"));
        assert_eq!(found.hits.len(), 1, "{n}: {found:?}");
        assert!(
            found.hits[0].text.lines().any(|l| l.ends_with(&format!("unique{n}"))),
            "{found:?}"
        );
        assert_eq!(found.hits[0].line, n + 1);
        assert!(found.hits[0].text.len() <= SEARCH_EXCERPT + 10);
    };
    [0, 1, 777, 15_000, 29_999].into_iter().for_each(line);
    assert!(home.segments().len() < 12, "{:?}", home.segments());
}

#[test]
fn a_broken_index_is_made_anew() {
    let home = Home::new("index-broken");
    home.write("memory/MEMORY.md", "alpha\n");
    home.check("alpha", &[("memory/MEMORY.md", 1)]);
    let (name, size) = home.segments().remove(0);
    let path = home.dir.join("index").join(&name);
    for damage in [vec![], vec![0; size as usize], b"PCIDX-0".repeat(20)] {
        fs::write(&path, damage).expect("damaged");
        let found = home.check("alpha", &[("memory/MEMORY.md", 1)]);
        assert!(found.notes[0].contains("rebuilt"), "{found:?}");
        assert!(home.check("alpha", &[("memory/MEMORY.md", 1)]).notes.is_empty());
    }
    assert!(home.dir.join("index/broken").exists());
    // What a merge that was cut off left behind is cleared up.
    fs::copy(&path, home.dir.join("index/00000001-00000004.idx")).expect("copied");
    assert!(home.check("alpha", &[("memory/MEMORY.md", 1)]).notes.is_empty());
    assert_eq!(home.segments()[0].0, "00000001-00000004.idx");
    assert_eq!(home.segments().len(), 1);
}

#[test]
fn without_an_index_folder_recent_notes_are_searched() {
    let home = Home::new("index-nowhere");
    home.write("memory/MEMORY.md", "alpha\n");
    fs::write(home.dir.join("index"), "a file in the way").expect("written");
    for _ in 0..2 {
        let found = home.check("alpha", &[("memory/MEMORY.md", 1)]);
        assert!(found.notes[0].contains("cannot be saved"), "{found:?}");
    }
}

#[test]
fn links_that_lead_out_are_not_followed() {
    let home = Home::new("index-links");
    fs::write(home.dir.join("secret"), "alpha\n").expect("written");
    home.write("memory/202602/20260201.md", "omega\n");
    let link = home.workspace.join("memory/202602/20260217.md");
    std::os::unix::fs::symlink(home.dir.join("secret"), &link).expect("linked");
    home.check("alpha", &[]);
    home.check("omega", &[("memory/202602/20260201.md", 1)]);
}

#[test]
fn questions_are_bounded() {
    let query: String = (0..100).map(|n| format!("word{n} word{n} ")).collect();
    assert_eq!(query::query_terms(&query).len(), SEARCH_TERMS);
}

#[test]
fn parallel_searches_wait_for_each_other() {
    let home = Home::new("index-parallel");
    for n in 0..300 {
        home.write(
            &format!("memory/2026{:02}/2026{:02}{:02}.md", n / 28 + 1, n / 28 + 1, n % 28 + 1),
            "alpha beta\n",
        );
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(home.search("alpha").hits.len(), 5));
        }
    });
}

#[test]
fn old_files_changed_in_place_are_found_eventually() {
    let home = Home::new("index-turn");
    for month in 1..=12 {
        for year in [2024, 2025] {
            home.write(&format!("memory/{year}{month:02}/{year}{month:02}01.md"), "quiet day\n");
        }
    }
    home.check("alpha", &[]);
    home.append("memory/202401/20240101.md", "alpha\n");
    let found = (0..50).any(|_| !home.search("alpha").hits.is_empty());
    assert!(found, "not within 50 searches");
}

#[test]
fn indexing_continues_with_the_next_search() {
    let home = Home::new("index-much");
    let line = format!("{}\n", "x".repeat(5 * CHUNK_BYTES));
    let note = line.repeat(INDEX_UPDATE_BYTES as usize / line.len() + 1) + "\nalpha\n";
    home.write("memory/202401/20240101.md", &note);
    let found = home.search("alpha");
    assert!(
        found.hits.is_empty() && found.notes[0].contains("the next one continues"),
        "{found:?}"
    );
    let found = home.search("alpha");
    assert!(found.hits.len() == 1 && found.notes.is_empty(), "{found:?}");
}

#[test]
fn sessions_beyond_the_bound_are_left_out() {
    let home = Home::new("index-sessions");
    for n in 0..INDEX_DOCS + 20 {
        home.write(&format!("sessions/s{n}.meta.json"), r#"{"summary":"alpha"}"#);
    }
    let found = home.search("alpha");
    assert_eq!((found.hits.len(), found.notes.len()), (5, 0));
    let folder = IndexFolder::open(&home.dir.join("index"));
    let known = folder.known(sources::SESSION, sources::last(sources::SESSION)).expect("read");
    assert_eq!(known.len(), INDEX_DOCS);
}
