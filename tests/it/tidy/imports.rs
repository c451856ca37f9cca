//! What a file imports: each path in its code, followed to the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};

use super::methods::{OF_STD, methods};
use super::text::{is_test_file, shipped};
use super::texts;

/// A path from the crate's root, `["net", "http", "Client"]`.
pub type Path = Vec<String>;

/// A `use` declaration's leaf, or a path in other code.
struct Named {
    /// Where it begins in the code.
    at: usize,
    /// The words as written, with `crate`, `self` and `super`.
    words: Path,
    /// The name that a `use` gives it; `*` for a glob, `None` for a path in other code.
    binds: Option<String>,
    /// Whether others may import it from here.
    re_export: bool,
}

/// A source file that is a module.
struct Module {
    file: String,
    code: String,
    named: Vec<Named>,
    /// Names of the items that it declares.
    declared: BTreeSet<String>,
    /// Words of its code beside `use` declarations.
    words: BTreeSet<String>,
    /// Type and name of each function in an `impl` without a trait.
    methods: Vec<(String, String)>,
}

/// All modules of a tree, by their path with `/`; the root has the empty one.
pub struct Tree(BTreeMap<String, Module>);

impl Tree {
    /// The modules of `src` without tests and `main.rs`.
    pub fn of_src() -> Tree {
        Tree::new(texts("src", ".rs"))
    }

    pub fn new(sources: Vec<(String, String)>) -> Tree {
        let registry = sources.iter().find(|(path, _)| path == "src/registry.rs");
        let tables = registry.map(|(_, source)| tables(&shipped(source))).unwrap_or_default();
        let mut modules = BTreeMap::new();
        for (file, source) in sources {
            if is_test_file(&file) || file == "src/main.rs" {
                continue;
            }
            let code = expanded(shipped(&source), &tables);
            let name = file.trim_start_matches("src/").trim_end_matches(".rs");
            let name = if name == "lib" { "" } else { name.strip_suffix("/mod").unwrap_or(name) };
            modules.insert(name.to_owned(), Module::new(file, code));
        }
        Tree(modules)
    }

    /// The files that each file imports. A `pub use` is followed for those who import through it; it is an arrow of its
    /// own file only if the code there uses the name, so a `mod.rs` of declarations and re-exports has none.
    pub fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut arrows = BTreeMap::new();
        for (name, module) in self.0.iter().filter(|(name, _)| !name.is_empty()) {
            let mut to = BTreeSet::new();
            for item in &module.named {
                let Some(path) = self.absolute(name, &item.words) else { continue };
                let used = match item.binds.as_deref() {
                    Some("*") => {
                        let from = self.0.get(&path.join("/"));
                        from.is_none_or(|from| !from.declared.is_disjoint(&module.words))
                    }
                    Some(bound) => module.words.contains(bound),
                    None => true,
                };
                if used || !item.re_export {
                    to.extend(self.definer(&path).filter(|file| *file != module.file));
                }
            }
            to.extend(self.method_files(module));
            arrows.insert(module.file.clone(), to);
        }
        arrows
    }

    /// Files of the same folder that have the one definition of a method which this file calls: on `self` in an `impl` of the
    /// same type, or on anything where it names the type.
    fn method_files(&self, module: &Module) -> BTreeSet<String> {
        let folder = |file: &str| file.rsplit_once('/').map_or("", |(f, _)| f).to_owned();
        let own = folder(&module.file);
        let near: Vec<&Module> = self.0.values().filter(|m| folder(&m.file) == own).collect();
        let mut files = BTreeSet::new();
        for other in near.iter().filter(|other| other.file != module.file) {
            for (of, name) in &other.methods {
                let all = near.iter().flat_map(|m| &m.methods).filter(|(_, n)| n == name);
                let is_ours = module.methods.iter().any(|(ours, _)| ours == of);
                let on_self = [format!("self.{name}("), format!("Self::{name}(")];
                let on_any = format!(".{name}(");
                let named = module.words.contains(of)
                    && !OF_STD.contains(&name.as_str())
                    && module.code.contains(&on_any);
                let calls = is_ours && on_self.iter().any(|call| module.code.contains(call));
                if all.count() == 1 && (calls || named) {
                    files.insert(other.file.clone());
                }
            }
        }
        files
    }

    /// Paths that a file names, from the crate's root as written (re-exports are not followed), with their lines.
    pub fn paths(&self) -> impl Iterator<Item = (&str, usize, Path)> {
        self.0.iter().flat_map(move |(name, module)| {
            let line = |at: usize| module.code[..at].matches('\n').count() + 1;
            module.named.iter().filter_map(move |item| {
                let path = self.absolute(name, &item.words)?;
                Some((module.file.as_str(), line(item.at), path))
            })
        })
    }

    /// The path from the root; `None` for what is no item of this crate, as `std::fs`.
    fn absolute(&self, module: &str, words: &[String]) -> Option<Path> {
        let own = || module.split('/').filter(|m| !m.is_empty()).map(str::to_owned);
        let mut path: Path = own().collect();
        let mut rest = words;
        match words.first()?.as_str() {
            "crate" => path.clear(),
            "self" => {}
            "super" => {
                while let Some(("super", below)) = rest.split_first().map(|(w, b)| (w.as_str(), b))
                {
                    path.pop();
                    rest = below;
                }
                return Some(path.into_iter().chain(rest.iter().cloned()).collect());
            }
            first => {
                let own = self.0.get(module)?;
                let child = self.0.contains_key(&join(&path, first));
                // The `use` itself binds the name, too: `use tokio;`.
                let bound = words.len() > 1
                    && own.named.iter().any(|n| {
                        n.binds.as_deref() == Some(first) && n.words.first() != words.first()
                    });
                return (child || bound)
                    .then(|| path.into_iter().chain(words.iter().cloned()).collect());
            }
        }
        rest = &rest[1..];
        Some(path.into_iter().chain(rest.iter().cloned()).collect())
    }

    /// The file that defines what the path names, by way of re-exports.
    fn definer(&self, path: &[String]) -> Option<String> {
        self.follow(path, &mut BTreeSet::new())
    }

    fn follow(&self, path: &[String], seen: &mut BTreeSet<Path>) -> Option<String> {
        if !seen.insert(path.to_vec()) {
            return None;
        }
        let depth = (0..=path.len()).rev().find(|n| self.0.contains_key(&path[..*n].join("/")))?;
        let name = path[..depth].join("/");
        let module = &self.0[&name];
        let Some(item) = path.get(depth) else {
            return (depth > 0).then(|| module.file.clone());
        };
        let mut through = |named: &Named| {
            let mut target = self.absolute(&name, &named.words)?;
            if named.binds.as_deref() == Some("*") {
                target.push(item.clone());
            }
            target.extend_from_slice(&path[depth + 1..]);
            self.follow(&target, seen)
        };
        let bound = |name: &str| {
            let name = name.to_owned();
            module.named.iter().filter(move |n| n.binds.as_ref() == Some(&name))
        };
        if let Some(file) = bound(item).find_map(&mut through) {
            return Some(file);
        }
        // One of another crate, passed on.
        if bound(item).next().is_some() && !module.declared.contains(item) {
            return None;
        }
        if !module.declared.contains(item) {
            if let Some(file) = bound("*").find_map(&mut through) {
                return Some(file);
            }
        }
        (depth > 0).then(|| module.file.clone())
    }
}

impl Module {
    fn new(file: String, code: String) -> Module {
        let mut named = named(&code);
        // The first `super` of an inline module is its file.
        for body in inline_modules(&code) {
            for item in named.iter_mut().filter(|n| body.contains(&n.at)) {
                if item.words.first().is_some_and(|w| w == "super") {
                    item.words.remove(0);
                    if item.words.first().is_none_or(|w| w != "super") {
                        item.words.insert(0, "self".to_owned());
                    }
                }
            }
        }
        let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod"];
        let words = words(&without_uses(&code));
        let declared = words.windows(2).filter(|pair| kinds.contains(&pair[0].as_str()));
        let macros = words.windows(2).filter(|pair| pair[0] == "macro_rules");
        let declared = declared.chain(macros).map(|pair| pair[1].clone()).collect();
        let methods = methods(&code);
        Module { file, code, named, declared, words: words.into_iter().collect(), methods }
    }
}

/// The bodies of the modules inside a file.
fn inline_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let starts = code.match_indices("mod ").filter_map(|(at, found)| {
        let name = code[at + found.len()..].trim_start_matches(is_word);
        name.starts_with(" {").then_some(code.len() - name.len())
    });
    let end = |start: usize| {
        let mut depth = 0;
        let closes = code[start..].char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && *c == '}'
        });
        closes.map_or(code.len(), |(length, _)| start + length)
    };
    starts.map(|start| start..end(start)).collect()
}

fn words(code: &str) -> Vec<String> {
    code.split(|c| !is_word(c)).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn join(path: &[String], name: &str) -> String {
    path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("/")
}

/// The tables of `registry.rs`, by the macro's name: the pairs of a module and an item in it.
fn tables(code: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut tables = BTreeMap::new();
    for table in code.split("macro_rules! ").skip(1) {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut group = String::new();
        for line in table.lines() {
            if let Some((_, opened)) = line.split_once("mod ") {
                group = word(opened);
            }
            let line = line.rsplit(['{', ']']).find(|part| part.contains(" = ")).unwrap_or("");
            let Some((name, item)) = line.split_once(" = ") else { continue };
            let name = if group.is_empty() { name.trim().to_owned() } else { group.clone() };
            pairs.push((name, word(item)));
        }
        tables.insert(word(table), pairs);
    }
    tables
}

/// Appends the paths that a table of `registry.rs` makes of `$module::$item`.
fn expanded(mut code: String, tables: &BTreeMap<String, Vec<(String, String)>>) -> String {
    let mut made = String::new();
    for (table, pairs) in tables {
        if !code.contains(&format!("registry::{table}!")) {
            continue;
        }
        for (at, _) in code.match_indices("$module::$") {
            let before = code[..at].trim_end_matches(|c: char| is_word(c) || c == ':');
            let prefix = &code[before.len()..at];
            for (module, item) in pairs {
                made.push_str(&format!("\n{prefix}{module}::{item};"));
            }
        }
    }
    code.push_str(&made);
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| is_word(*c)).collect()
}

/// The `use` declarations: from the `u` to behind the `;`.
fn uses(code: &str) -> Vec<(usize, usize)> {
    let starts = code.match_indices("use ").map(|(at, _)| at);
    let starts = starts.filter(|at| {
        let line = code[..*at].rsplit(['\n', ';', '{', '}', ']']).next().unwrap_or("").trim();
        line.is_empty() || line == "pub" || line.starts_with("pub(") && line.ends_with(')')
    });
    starts.filter_map(|at| Some((at, at + code[at..].find(';')? + 1))).collect()
}

fn without_uses(code: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    for (from, to) in uses(code) {
        bytes[from..to].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Everything that the code names by a path.
fn named(code: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for (from, to) in uses(code) {
        let line = code[..from].rsplit(['\n', ';', '{', '}', ']']).next().unwrap_or("");
        let leaves = &mut Vec::new();
        leaves_of(&code[from + "use ".len()..to - 1], &[], leaves);
        found.extend(leaves.drain(..).map(|(words, binds)| Named {
            at: from,
            words,
            binds: Some(binds),
            re_export: line.trim().starts_with("pub"),
        }));
    }
    let rest = without_uses(code);
    for (at, _) in rest.match_indices("::") {
        let first = rest[..at].trim_end_matches(is_word);
        // Else the middle of a path, a macro's variable, `<T>::f`, or a visibility.
        let inside = first.ends_with([':', '$', '.']) || first.ends_with("pub(in ");
        if first.len() == at || inside {
            continue;
        }
        let path = rest[first.len()..].split(|c| !is_word(c) && c != ':').next().unwrap_or("");
        if rest[first.len() + path.len()..].starts_with('$') {
            continue;
        }
        let words = path.split("::").filter(|w| !w.is_empty()).map(str::to_owned).collect();
        found.push(Named { at: first.len(), words, binds: None, re_export: false });
    }
    found
}

/// Writes out `a::{b, c::d as e}`: each path, and the name that it binds.
fn leaves_of(tree: &str, above: &[String], leaves: &mut Vec<(Path, String)>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let words = head.split("::").map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned);
        let base: Path = above.iter().cloned().chain(words).collect();
        let (mut depth, mut begin) = (0, 0);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    leaves_of(&group[begin..i], &base, leaves);
                    begin = i + 1;
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(p, a)| (p, Some(a.trim())));
    let words = path.split("::").map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned);
    let mut path: Path = above.iter().cloned().chain(words).collect();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let Some(last) = path.last().cloned().filter(|_| !tree.is_empty()) else { return };
    if last == "*" {
        path.pop();
    }
    leaves.push((path, alias.unwrap_or(&last).to_owned()));
}
