//! Code outside a tool's file or a channel's folder does not depend on its name, nor does it say a channel's name.

use super::text::{has_word, is_test_file, shipped, shipped_strings};
use super::{none, read, texts};

/// Where a string may have a channel's name, and why.
const SAYS_CHANNELS: &[(&str, &str)] = &[
    ("src/config/onboard.rs", "the channel of the first configuration"),
    ("src/command/migrate/from_openclaw.rs", "names that are translated"),
];

/// What a file outside an owner's place must not contain: the text, and where it may be.
struct Owned {
    text: String,
    place: String,
}

/// The names that `registry` has.
fn owned(registry: &str) -> Vec<Owned> {
    let mut all = Vec::new();
    let mut module = String::new();
    for line in registry.lines().map(str::trim) {
        let line = line.split_once(")] ").map_or(line, |(_, item)| item);
        let line = match line.strip_prefix("mod ").and_then(|rest| rest.split_once(" {")) {
            Some((name, rest)) => {
                module = name.to_owned();
                rest.trim()
            }
            None => line,
        };
        let Some((name, spec)) = line.split_once(" = ") else { continue };
        if spec.contains(',') {
            let place = format!("src/tool/{module}");
            for compared in ["==", "!="] {
                all.push(Owned { text: format!("{compared} \"{name}\""), place: place.clone() });
            }
        } else {
            let text = format!("feature = \"{name}\"");
            all.push(Owned { text, place: format!("src/channel/{name}/") });
        }
    }
    all
}

fn complaints(registry: &str, sources: &[(String, String)]) -> Vec<String> {
    let owned = owned(registry);
    let mut complaints = Vec::new();
    for (path, source) in sources {
        if is_test_file(path) || path == "src/registry.rs" {
            continue;
        }
        // Of a test module nothing is left.
        let code = shipped(source);
        let lines = source.lines().zip(code.lines()).enumerate();
        for (n, (line, _)) in lines.filter(|(_, (_, code))| !code.trim().is_empty()) {
            let foreign = |o: &&Owned| line.contains(&o.text) && !path.starts_with(&o.place);
            if let Some(owned) = owned.iter().find(foreign) {
                complaints.push(format!(
                    "{path}:{}: {} is its own file's affair",
                    n + 1,
                    owned.text
                ));
            }
        }
    }
    complaints
}

/// The kinds of channels that `registry` has.
fn channels(registry: &str) -> Vec<String> {
    let line = |line: &str| Some(line.trim().strip_suffix(';')?.split_once(")] ")?.1.to_owned());
    let entry = |item: String| Some(item.split_once(" = ")?.0.to_owned());
    registry.lines().filter_map(line).filter_map(entry).collect()
}

/// Strings outside of `src/channel` that name one, which not every build has.
fn named(registry: &str, sources: &[(String, String)]) -> Vec<String> {
    let channels = channels(registry);
    let mut complaints = Vec::new();
    for (path, source) in sources {
        let own = path.starts_with("src/channel/") || path == "src/registry.rs";
        if own || is_test_file(path) || SAYS_CHANNELS.iter().any(|(file, _)| file == path) {
            continue;
        }
        for (n, line) in shipped_strings(&source.to_lowercase()).lines().enumerate() {
            for name in channels.iter().filter(|name| has_word(line, name)) {
                complaints.push(format!("{path}:{}: not every build has {name}", n + 1));
            }
        }
    }
    complaints
}

#[test]
fn shared_code_says_no_channels_name() {
    let (registry, sources) = (read("src/registry.rs"), texts("src", ".rs"));
    assert!(channels(&registry).len() > 2, "{:?}", channels(&registry));
    let mut complaints = named(&registry, &sources);
    for (path, _) in SAYS_CHANNELS {
        if !sources.iter().any(|(file, _)| file == path) {
            complaints.push(format!("{path} is gone: off the list"));
        }
    }
    none(complaints);
}

#[test]
fn a_channel_in_a_string_is_found() {
    let registry = "#[cfg(feature = \"pico\")] pico = Pico;";
    let check = |path: &str, source: &str, want: usize| {
        let found = named(registry, &[(path.to_owned(), source.to_owned())]);
        assert_eq!(found.len(), want, "{path}: {source}: {found:?}");
    };
    check("src/app/a.rs", r#"warn!("set channel_list.pico.enabled")"#, 1);
    check("src/app/a.rs", r#"warn!("Pico is off")"#, 1);
    check("src/app/a.rs", r#"warn!("picoclaw, pico_client") // pico"#, 0);
    check("src/channel/pico/mod.rs", r#"warn!("pico")"#, 0);
    check("src/app/a.rs", "#[cfg(test)]\nmod tests {\nf(\"pico\");\n}", 0);
}

#[test]
fn shared_code_depends_on_no_name() {
    none(complaints(&read("src/registry.rs"), &texts("src", ".rs")));
}

#[test]
fn a_name_in_shared_code_is_found() {
    let registry = r#"
        #[cfg(all())]
        mod file { read_file = READ_FILE, ON, ""; }
        #[cfg(all())]
        mod exec {
            exec = EXEC, ON, "";
        }
        #[cfg(feature = "pico")] pico = Pico;"#;
    let check = |path: &str, source: &str, want: usize| {
        let found = complaints(registry, &[(path.to_owned(), source.to_owned())]);
        assert_eq!(found.len(), want, "{path}: {source}: {found:?}");
    };
    check("src/config/a.rs", r#"if tool == "exec" {}"#, 1);
    check("src/config/a.rs", r#"if tool != "read_file" {}"#, 1);
    check("src/tool/file.rs", r#"if tool != "read_file" {}"#, 0);
    check("src/config/a.rs", r#"if tool == "other" {}"#, 0);
    check("src/channel/mod.rs", r#"#[cfg(any(feature = "x", feature = "pico"))]"#, 1);
    check("src/channel/pico/mod.rs", r#"#[cfg(feature = "pico")]"#, 0);
    check("src/config/a.rs", "#[cfg(test)]\nmod tests {\nif tool == \"exec\" {}\n}", 0);
}
