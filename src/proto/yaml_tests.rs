//! Table tests of the YAML subset.

use super::*;
use crate::proto::json_pos::line_column;

/// Compact notation: maps `{k:v}`, lists `[v]`, text bare, null `~`.
fn show(y: &Yaml) -> String {
    match &y.kind {
        YamlKind::Null => "~".to_owned(),
        YamlKind::Text(t) => t.replace('\n', "\\n"),
        YamlKind::List(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(","))
        }
        YamlKind::Map(m) => format!(
            "{{{}}}",
            m.iter().map(|(k, v)| format!("{k}={}", show(v))).collect::<Vec<_>>().join(",")
        ),
    }
}

#[track_caller]
fn check(text: &str, want: &str) {
    match parse(text) {
        Ok(y) => assert_eq!(show(&y), want),
        Err(e) => panic!("{text}: {e:?}"),
    }
}

#[track_caller]
fn bad(text: &str, line: u32, part: &str) {
    match parse(text) {
        Ok(y) => panic!("{text}: accepted as {}", show(&y)),
        Err(e) => {
            assert!(e.message.contains(part), "{text}: {}", e.message);
            assert_eq!(line_column(text, e.at).0, line, "{text}: {}", e.message);
        }
    }
}

#[test]
fn block_mappings_and_sequences() {
    check("", "~");
    check("---\n# only a comment\n\n", "~");
    check("a: 1\nb: two words\n", "{a=1,b=two words}");
    check("--- # start\na:\n  b:\n    c: x\n  d: y\ne: z", "{a={b={c=x},d=y},e=z}");
    check("a:\n- x\n- y\nb: z", "{a=[x,y],b=z}");
    check("a:\n  - x\n  - y\nb: z", "{a=[x,y],b=z}");
    check("a:\n  - k: 1\n    l: 2\n  - k: 3\n", "{a=[{k=1,l=2},{k=3}]}");
    check("a:\n- k:\n  - p\n  - q\n- r\n", "{a=[{k=[p,q]},r]}");
    check("a:\n  -\n    b: c\n  -\n", "{a=[{b=c},~]}");
    check("- a\n- b\n", "[a,b]");
    check("a: []\nb: {}\nc: [] # none\n", "{a=[],b={},c=[]}");
    check("a: [x]\nb: [ \"y, z\" , 'q' , w w, null, ] # two\n", "{a=[x],b=[y, z,q,w w,~]}");
    check("- [x,y]\n- [ ]\n", "[[x,y],[]]");
    check("a:\r\n  b: c\r\n", "{a={b=c}}");
    check("just a word", "just a word");
}

#[test]
fn scalars() {
    check("a: # nothing\nb: ~\nc: null\nd:", "{a=~,b=~,c=~,d=~}");
    check(
        "a: x#y # comment\nb: http://h:80/p\nc: 123:AA-b_c",
        "{a=x#y,b=http://h:80/p,c=123:AA-b_c}",
    );
    check("a: 'it''s # not: a comment' # yes", "{a=it's # not: a comment}");
    check(r#"a: "q\" b\\ n\n t\t u\u00e9 # : x""#, "{a=q\" b\\ n\\n t\t ué # : x}");
    check(
        "\"gpt:0\":\n  k: v\n'a b': c\ngpt-5.4:0:\n  k: v",
        "{gpt:0={k=v},a b=c,gpt-5.4:0={k=v}}",
    );
    check("a: \"\"\nb: ''", "{a=,b=}");
    check("a: -x\nb: - \n", "{a=-x,b=-}");
    check("a: enc://AAA=\nb: file://tg.token", "{a=enc://AAA=,b=file://tg.token}");
}

#[test]
fn unsupported_syntax_is_named_with_its_line() {
    bad("a: &x 1", 1, "anchors");
    bad("a: 1\nb: *x", 2, "aliases");
    bad("a: !!str 1", 1, "tags");
    bad("a:\n  b: |\n    text", 2, "block scalars");
    bad("a: >-\n  text", 1, "block scalars");
    for broken in ["[1, 2", "[", "[1 # ]", "[\"1\" 2]", "[a{b]"] {
        bad(&format!("a: {broken}"), 1, "");
    }
    bad("a: [[1]]", 1, "itself a list");
    bad("a: [1,,2]", 1, "missing");
    bad("a: [b: c]", 1, "colon and a blank");
    bad("a: [1] 2", 1, "behind the closing bracket");
    bad("a: [1,\n  2]", 1, "end on its line");
    bad("a: {b: c}", 1, "flow");
    bad("a:\n\tb: c", 2, "tab");
    bad("a: b\n---\nc: d", 2, "second document");
    bad("%YAML 1.2\n---\na: b", 1, "directives");
    bad("a: b\na: c", 2, "twice");
    bad("a: b\n  c: d", 2, "several lines");
    bad("a:\n    b: c\n  d: e", 3, "indented");
    bad("a:\n  b: c\n   d: e", 3, "several lines");
    bad("a: \"x", 1, "closing quote");
    bad("a: 'x", 1, "closing quote");
    bad("a: \"\\q\"", 1, "escape");
    bad("a: \"\\u12g4\"", 1, "four hexadecimal");
    bad("a: \"\\ud800\"", 1, "four hexadecimal");
    bad("a: \"x\" y", 1, "behind the closing quote");
    bad("a: b: c", 1, "colon");
    bad("<<: b", 1, "merge");
    bad("? a", 1, "keys that begin");
    bad(": a", 1, "key is missing");
    bad("- - a", 1, "list in a list");
    bad("a:\n  - x\n    - y", 3, "several lines");
    bad("a: b\nword", 2, "a key and a colon");
    bad("word\nother", 2, "several lines");
    bad("a: @x", 1, "quotes");
}

#[test]
fn depth_is_bounded() {
    let deep: String = (0..40).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    bad(&deep, 33, "too deeply");
    let lists: String = (0..40).map(|i| format!("{}-\n", " ".repeat(i))).collect();
    bad(&lists, 33, "too deeply");
    let both: String = (0..40).map(|i| format!("{}- a:\n", "  ".repeat(i * 2))).collect();
    assert!(parse(&both).is_err());
}

#[test]
fn any_cut_is_survived() {
    let text = "---\na:\n  - \"x\\u00e9\": 'y'\n    z: []\nb: é # c\n\"k\":\n- 1\n";
    for end in (0..text.len()).filter(|i| text.is_char_boundary(*i)) {
        let part = text.get(..end).unwrap_or_default();
        if let Err(e) = parse(part) {
            assert!(e.at <= part.len(), "{part}");
        }
    }
}
