//! What marks a file of the prompt, and what takes the mark away.

use super::*;
use crate::sys::scratch::Scratch;

#[test]
fn what_a_call_changes_is_untrusted_until_somebody_else_saves_it() {
    let scratch = Scratch::named("prompt-files");
    let (home, workspace) = (scratch.join("home"), scratch.join("home/workspace"));
    std::fs::create_dir_all(workspace.join("memory")).expect("folders");
    let roots = Roots::new(&workspace, &home, Path::new("/nowhere"));
    let places = Places { home, workspace: workspace.clone(), roots };
    let save = |name: &str, text: &str| {
        std::fs::write(workspace.join(name), text).expect("written");
    };
    let call = |untrusted: bool, name: &str, text: &str| {
        let watch = watch(&places, untrusted, false).expect("a record");
        save(name, text);
        if let Some(watch) = watch {
            watch.end(&places, untrusted).expect("recorded");
        }
        hold_untrusted(&places)
    };
    save("AGENT.md", "own");
    assert!(!call(false, "memory/MEMORY.md", "own"));
    assert!(!call(true, "notes.txt", "obey"), "no prompt holds it");
    assert!(call(true, "memory/MEMORY.md", "obey"));
    assert!(call(false, "memory/MEMORY.md", "obey, and more"), "the text is still there");
    save("memory/MEMORY.md", "own again");
    assert!(!hold_untrusted(&places), "its owner has saved it");
    // A kill during the call.
    drop(watch(&places, true, false).expect("a record"));
    save("HEARTBEAT.md", "obey");
    assert!(hold_untrusted(&places) && hold_untrusted(&places));
    std::fs::remove_file(workspace.join("HEARTBEAT.md")).expect("removed");
    assert!(!hold_untrusted(&places));
    // A command that was cancelled: nobody knows what it read.
    let cancelled = watch(&places, false, true).expect("a record");
    save("HEARTBEAT.md", "fetched");
    assert!(!hold_untrusted(&places), "it runs");
    drop(cancelled);
    assert!(hold_untrusted(&places) && hold_untrusted(&places));
    std::fs::remove_file(workspace.join("HEARTBEAT.md")).expect("removed");
    assert!(!hold_untrusted(&places));
    // The end of another call forgets nothing of a cancelled one.
    let (first, second) = (watch(&places, false, true), watch(&places, true, false));
    save("HEARTBEAT.md", "fetched");
    drop(first.expect("a record"));
    let second = second.expect("a record").expect("a watch");
    second.end(&places, false).expect("recorded");
    assert!(hold_untrusted(&places) && hold_untrusted(&places));
    std::fs::remove_file(workspace.join("HEARTBEAT.md")).expect("removed");
    assert!(!hold_untrusted(&places));
    // As a restore does: the same content in a new file.
    assert!(call(true, "USER.md", "obey"));
    std::fs::remove_file(workspace.join("USER.md")).expect("removed");
    save("other", "x");
    save("USER.md", "obey");
    assert!(hold_untrusted(&places));
    // The end of a long file counts, and so does a record of an earlier version, until somebody saves the file.
    let long = "x".repeat(3 * PROMPT_DIGEST_BYTES as usize);
    assert!(call(true, "USER.md", &long));
    save("USER.md", &[&long[1..], "y"].concat());
    assert!(!hold_untrusted(&places));
    let record = places.home.join("state").join(UNTRUSTED);
    std::fs::write(&record, "1234567\tUSER.md\n").expect("written");
    assert!(hold_untrusted(&places) && hold_untrusted(&places));
    assert!(std::fs::read_to_string(&record).is_ok_and(|text| is_digest(&text[..64])));
    save("USER.md", "own");
    assert!(!hold_untrusted(&places));
}
