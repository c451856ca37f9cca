//! Circles of imports: at most three files, and never across folders.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::Tree;
use super::none;

/// Files that may import each other in a circle: a type and the two or three files that carry its work.
const CIRCLE_FILES: usize = 3;

/// Everything that can be reached from `start`, itself only by way of a circle.
fn reached(arrows: &BTreeMap<String, BTreeSet<String>>, start: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(file) = open.pop() {
        for next in arrows.get(&file).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn circles_of_imports_are_small_and_stay_in_their_folder() {
    let arrows = Tree::of_src().arrows();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        arrows.keys().map(|file| (file, reached(&arrows, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, to) in &reach {
        let mut circle: BTreeSet<&String> =
            to.iter().filter(|other| reach[*other].contains(*file)).collect();
        circle.insert(file);
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    let folder = |file: &str| file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut complaints = Vec::new();
    for circle in circles {
        let folders: BTreeSet<String> = circle.iter().map(|f| folder(f)).collect();
        let list: Vec<&str> = circle.iter().map(|f| f.as_str()).collect();
        if list.len() > CIRCLE_FILES {
            complaints.push(format!("a circle of {} files: {}", list.len(), list.join(", ")));
        } else if folders.len() > 1 {
            complaints.push(format!("a circle across folders: {}", list.join(", ")));
        }
    }
    none(complaints);
}
