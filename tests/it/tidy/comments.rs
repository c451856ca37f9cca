//! Doc comments say what the name does not: why a thing exists, its unit, its bounds, its errors.

use super::{none, texts};

/// Doc comments of one line with at most [`FEW`] words that are still there; the number may only fall.
const SHORT: usize = 380;
/// So few words seldom say more than the name.
const FEW: usize = 3;

#[test]
fn doc_comments_say_more_than_the_name() {
    let mut found = Vec::new();
    for (path, source) in texts("src", ".rs") {
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        let doc = |n: usize| lines.get(n).and_then(|line| line.strip_prefix("///"));
        for (n, text) in (0..lines.len()).filter_map(|n| Some((n, doc(n)?))) {
            let alone = doc(n + 1).is_none() && n.checked_sub(1).is_none_or(|n| doc(n).is_none());
            if alone && text.split_whitespace().count() <= FEW {
                found.push(format!("{path}:{}:{text}", n + 1));
            }
        }
    }
    assert!(found.len() + 20 >= SHORT, "only {} are left: say so in SHORT", found.len());
    if found.len() > SHORT {
        none(found);
    }
}
