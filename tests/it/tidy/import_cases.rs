//! Made-up trees for what [`super::imports`] reads.

use super::imports::Tree;

#[track_caller]
fn check(files: &[(&str, &str)], want: &[(&str, &str)]) {
    let sources = files.iter().map(|(f, s)| (format!("src/{f}"), (*s).to_owned())).collect();
    let arrows = Tree::new(sources).arrows();
    let found: Vec<(&str, &str)> = arrows
        .iter()
        .flat_map(|(from, to)| to.iter().map(|t| (&from["src/".len()..], &t["src/".len()..])))
        .collect();
    assert_eq!(found, want, "{files:?}");
}

#[test]
fn children_are_imported_by_their_own_name() {
    let leaf = ("a/b.rs", "pub struct B;");
    let arrow = &[("a/mod.rs", "a/b.rs")];
    check(&[("a/mod.rs", "mod b;\nuse b::B;"), leaf], arrow);
    check(&[("a/mod.rs", "mod b;\nfn f(_: b::B) {}"), leaf], arrow);
    check(&[("a/mod.rs", "mod b;\nuse self::b::B;"), leaf], arrow);
    check(&[("a.rs", "mod b;\nstatic X: &[b::B] = &[];"), leaf], &[("a.rs", "a/b.rs")]);
    check(&[("a/mod.rs", "mod b;\nuse std::fs;\nfn f() { fs::read() }"), leaf], &[]);
    // A visibility is no import.
    check(&[("a/mod.rs", "mod b;"), ("a/b.rs", "pub(in crate::a) const B: u8 = 1;")], &[]);
}

#[test]
fn a_re_export_is_an_import_of_the_file_that_defines_the_item() {
    let lib = ("lib.rs", "pub mod a;\nmod c;\npub use a::B;");
    let facade = ("a/mod.rs", "mod b;\npub use b::{B, D as E};");
    let leaf = ("a/b.rs", "pub struct B;\npub struct D;");
    check(&[lib, facade, leaf, ("c.rs", "use crate::a::E;")], &[("c.rs", "a/b.rs")]);
    check(&[lib, facade, leaf, ("c.rs", "fn f() { crate::B::new() }")], &[("c.rs", "a/b.rs")]);
    check(
        &[lib, facade, leaf, ("c.rs", "use crate::a;\nfn f() { a::B::new() }")],
        &[("c.rs", "a/b.rs"), ("c.rs", "a/mod.rs")],
    );
    check(&[lib, facade, leaf, ("a/c.rs", "use super::B;")], &[("a/c.rs", "a/b.rs")]);
    // A glob, and a name that the file itself has.
    let glob = ("a/mod.rs", "mod b;\npub use b::*;\npub struct Own;");
    check(&[glob, leaf, ("c.rs", "use crate::a::B;")], &[("c.rs", "a/b.rs")]);
    check(&[glob, leaf, ("c.rs", "use crate::a::Own;")], &[("c.rs", "a/mod.rs")]);
    // Used where it is passed on: no mere facade.
    let user = ("a/mod.rs", "mod b;\npub use b::B;\nfn f(_: B) {}");
    check(&[user, leaf], &[("a/mod.rs", "a/b.rs")]);
}

#[test]
fn paths_go_up_any_number_of_modules() {
    let (leaf, deep) = (("x.rs", "pub fn y() {}"), "a/b/c.rs");
    check(&[leaf, (deep, "use super::super::super::x::y;")], &[(deep, "x.rs")]);
    check(&[leaf, (deep, "fn f() { super::super::super::x::y() }")], &[(deep, "x.rs")]);
    let inline = "mod m { use super::super::super::super::x::y; }";
    check(&[leaf, (deep, inline)], &[(deep, "x.rs")]);
    check(
        &[leaf, ("z/w.rs", ""), (deep, "use crate::{x::{self, y}, z::w};")],
        &[(deep, "x.rs"), (deep, "z/w.rs")],
    );
}

#[test]
fn tables_of_the_registry_are_expanded() {
    let registry = (
        "registry.rs",
        "macro_rules! kinds {\n #[cfg(x)] a = A;\n}\nmacro_rules! groups {\n mod b { n = N; }\n}",
    );
    let leaves = [("k/a.rs", "pub struct A;"), ("k/b.rs", "pub static N: u8 = 1;")];
    let any = ("k/any.rs", "$(super::$module::$kind;)*\ncrate::registry::kinds!(m);");
    let list = ("k/mod.rs", "$(pub mod $module; $module::$spec;)*\ncrate::registry::groups!(m);");
    check(
        &[registry, leaves[0], leaves[1], any, list],
        &[
            ("k/any.rs", "k/a.rs"),
            ("k/any.rs", "registry.rs"),
            ("k/mod.rs", "k/b.rs"),
            ("k/mod.rs", "registry.rs"),
        ],
    );
}

#[test]
fn methods_are_imports_of_the_file_with_their_impl() {
    let leaf = ("a/core.rs", "pub struct T;\n");
    let part =
        ("a/part.rs", "use super::core::T;\n\nimpl T {\n    pub(super) fn step(&self) {}\n}\n");
    let user =
        "use super::core::T;\n\nimpl T {\n    fn run(&self) {\n        self.step();\n    }\n}\n";
    let both = ("a/part.rs", "a/core.rs");
    check(
        &[leaf, part, ("a/user.rs", user)],
        &[both, ("a/user.rs", "a/core.rs"), ("a/user.rs", "a/part.rs")],
    );
    let other = "use super::core::T;\n\nfn run(t: &T) {\n    t.step();\n}\n";
    check(
        &[leaf, part, ("a/user.rs", other)],
        &[both, ("a/user.rs", "a/core.rs"), ("a/user.rs", "a/part.rs")],
    );
    // Another type's, and a trait's.
    let own = "struct U;\n\nimpl U {\n    fn run(&self) {\n        self.step();\n    }\n}\n";
    check(&[leaf, part, ("a/user.rs", own)], &[both]);
    let of_trait =
        ("a/part.rs", "use super::core::T;\n\nimpl<'a> S for T {\n    fn step(&self) {}\n}\n");
    check(&[leaf, of_trait, ("a/user.rs", other)], &[both, ("a/user.rs", "a/core.rs")]);
}
