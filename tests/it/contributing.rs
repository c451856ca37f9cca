//! docs/contributing/: each worked diff fits this tree; what comes out compiles and obeys the rules of the source, and beside the
//! promised files only generated ones change.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tidy::{self, files};

/// What a document promises.
struct Worked {
    document: &'static str,
    /// Where its new files are.
    folder: &'static str,
    /// Files that are there already, and how many lines each gets.
    changed: &'static [(&'static str, usize)],
    /// Its feature, or nothing.
    feature: &'static str,
}

const WORKED: &[Worked] = &[
    Worked {
        document: "adding-a-tool.md",
        folder: "src/tool/",
        changed: &[("src/registry.rs", 1)],
        feature: "",
    },
    Worked {
        document: "adding-a-channel.md",
        folder: "src/channel/udp/",
        changed: &[("src/registry.rs", 1), ("Cargo.toml", 1)],
        feature: "udp",
    },
    Worked {
        document: "adding-a-config-key.md",
        folder: "",
        changed: &[("src/config/table/tools.rs", 2)],
        feature: "",
    },
    Worked {
        document: "adding-a-provider.md",
        folder: "",
        changed: &[("src/config/providers/table.rs", 1)],
        feature: "",
    },
];

/// What the changed tree says of itself, in a build without the new channel: the keys (`picoclaw config keys`), the
/// generated documents, and the warnings about a configuration that has such a channel.
const EXAMPLE: &str = r###"//! Prints keys and warnings, writes the documents.
use argh::FromArgs;
use picoclaw::config::{LoadOptions, load};

#[path = "../tests/it/tidy/generated.rs"]
mod generated;

fn main() {
    let args = picoclaw::args::ConfigArgs::from_args(&["config"], &["keys"]).unwrap();
    picoclaw::command::config::run(&args).unwrap();
    for (path, text) in generated::documents(std::path::Path::new(".")) {
        std::fs::write(path, text).unwrap();
    }
    std::fs::write("examples/config.json", r##"{"channel_list":{"udp":{"enabled":true}}}"##).unwrap();
    let env = [("PICOCLAW_HOME", "examples"), ("PICOCLAW_CHANNELS_UDP_TO", "127.0.0.1:9")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let options = LoadOptions { env, allow_empty: true, ..LoadOptions::default() };
    let loaded = load(&options).unwrap_or_else(|e| panic!("{e}"));
    for warning in loaded.warnings {
        println!("{warning}");
    }
}
"###;

/// What scripts/generate/documents writes anew for the four.
const DOCUMENTS: &[&str] = &["docs/config-overlay.md", "docs/providers.md"];

/// What packages know of a feature.
const FEATURE_LISTS: &[&str] =
    &["buildroot/package/picoclaw/Config.in", "meta-picoclaw/recipes-core/picoclaw/picoclaw.inc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_worked_diffs_compile() {
    let target = Path::new(env!("CARGO_BIN_EXE_picoclaw")).ancestors().nth(2).expect("target");
    // A fixed place: Cargo then finds what it compiled last time.
    let tree = target.join("contributing");
    let _ = fs::remove_dir_all(&tree);
    // Cargo finds the configuration of the tree above.
    let files = files().into_iter().filter(|file| !file.starts_with(".cargo"));
    let before: BTreeSet<PathBuf> = files.collect();
    for file in &before {
        copy(&root().join(file), &tree.join(file));
    }
    let mut promised: BTreeSet<PathBuf> = DOCUMENTS.iter().map(PathBuf::from).collect();
    let mut features = Vec::new();
    for worked in WORKED {
        let path = root().join("docs/contributing").join(worked.document);
        let text = fs::read_to_string(&path).expect(worked.document);
        let mut changed = Vec::new();
        let files = diff(&text);
        for file in &files {
            promised.insert(PathBuf::from(&file.path));
            match file.apply(&tree) {
                0 => {
                    let path = &file.path;
                    assert!(path.starts_with(worked.folder), "{}: {path}", worked.document);
                }
                lines => changed.push((file.path.as_str(), lines)),
            }
        }
        assert_eq!(changed, worked.changed, "{}", worked.document);
        features.extend(Some(worked.feature).filter(|f| !f.is_empty()));
    }
    let cargo = |args: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(args).current_dir(&tree).env("CARGO_TARGET_DIR", target);
        let out = cargo.output().expect("cargo");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && !said.contains("warning"), "{said}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let features = features.join(",");
    cargo(&["check", "--quiet", "--frozen", "--lib", "--features", &features]);
    // An example, since the program itself would take the place of the one that other tests run.
    fs::create_dir_all(tree.join("examples")).expect("a folder");
    fs::write(tree.join("examples/contributing.rs"), EXAMPLE).expect("an example");
    let said = cargo(&["run", "--quiet", "--frozen", "--example", "contributing"]);
    let unbuilt = "channel type udp is not supported by this build";
    for text in ["`tools.uptime.enabled`", "`tools.exec.nice`", unbuilt] {
        assert!(said.contains(text), "the changed tree does not say {text}: {said}");
    }
    assert!(!said.contains("sets nothing"), "{said}");
    fs::remove_dir_all(tree.join("examples")).expect("the example");
    if generated_lists_follow(&tree, &features) {
        promised.extend(FEATURE_LISTS.iter().map(PathBuf::from));
    }
    let mut changed = BTreeSet::new();
    differences(&tree, Path::new(""), &before, &mut changed);
    assert_eq!(changed, promised);
    rules_hold(&tree);
}

/// Files of `tree` below `folder` that this tree has not, or not with these bytes.
fn differences(
    tree: &Path,
    folder: &Path,
    ours: &BTreeSet<PathBuf>,
    found: &mut BTreeSet<PathBuf>,
) {
    for entry in fs::read_dir(tree.join(folder)).expect("a folder").flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            differences(tree, &path, ours, found);
        } else if !ours.contains(&path)
            || fs::read(entry.path()).ok() != fs::read(root().join(&path)).ok()
        {
            found.insert(path);
        }
    }
}

/// The rules of the source hold in the changed tree. Its documents come from its own tables, which this program does not have,
/// what a feature costs is measured with release builds (`scripts/measure/features --write`), and the example channel has the
/// name of a protocol, which shared code may say.
fn rules_hold(tree: &Path) {
    let mut tidy = Command::new(std::env::current_exe().expect("this program"));
    let skipped = ["tidy::generated", "each_feature_has_its_cost", "says_no_channels_name"];
    tidy.arg("tidy::").args(skipped.iter().flat_map(|name| ["--skip", name]));
    tidy.env(tidy::ROOT, tree);
    let out = tidy.output().expect("the rules");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && !said.contains("running 0 tests"), "{said}");
}

/// scripts/generate/boards brings a new feature to Buildroot and Yocto. Skipped, which returns false, where there is no
/// Python that has TOML.
fn generated_lists_follow(tree: &Path, features: &str) -> bool {
    let python = Command::new("python3").args(["-c", "import tomllib"]).output();
    if !python.is_ok_and(|out| out.status.success()) {
        crate::skip::skip(crate::skip::Missing::Python);
        return false;
    }
    let generate = |args: &[&str]| {
        let mut command = Command::new(tree.join("scripts/generate/boards"));
        let out = command.args(args).output().expect("scripts/generate/boards");
        (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (same, said) = generate(&["--check"]);
    // Those two and nothing else.
    assert!(!same && said.contains(&format!(": {}\n", FEATURE_LISTS.join(" "))), "{said}");
    assert!(generate(&[]).0 && generate(&["--check"]).0);
    for list in FEATURE_LISTS {
        let text = fs::read_to_string(tree.join(list)).expect("a list");
        assert!(features.split(',').all(|feature| text.contains(feature)), "{list}");
    }
    true
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    fs::copy(from, to).expect("a copy");
}

/// One file of a diff.
struct Change {
    path: String,
    is_new: bool,
    /// With their first character: a blank, `+` or `-`.
    lines: Vec<String>,
}

/// The diffs of a document, without line numbers.
fn diff(document: &str) -> Vec<Change> {
    let mut files: Vec<Change> = Vec::new();
    let mut is_new = false;
    let block = document.split("```diff\n").skip(1).filter_map(|rest| rest.split("```").next());
    for line in block.flat_map(str::lines) {
        if let Some(path) = line.strip_prefix("+++ b/") {
            files.push(Change { path: path.to_owned(), is_new, lines: Vec::new() });
        } else if let Some(path) = line.strip_prefix("--- ") {
            is_new = path == "/dev/null";
        } else if let Some(file) = files.last_mut() {
            file.lines.push(if line.is_empty() { " ".to_owned() } else { line.to_owned() });
        }
    }
    files
}

impl Change {
    /// Makes or changes the file in `tree`; how many lines of a file that was there are other ones now, 0 for a new file.
    fn apply(&self, tree: &Path) -> usize {
        let path: PathBuf = tree.join(&self.path);
        let side = |left_out: char| -> String {
            let kept = self.lines.iter().filter(|line| !line.starts_with(left_out));
            kept.map(|line| format!("{}\n", &line[1..])).collect()
        };
        if self.is_new {
            assert!(!path.exists(), "{} is there already", self.path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, side('-')).expect("a new file");
            return 0;
        }
        let text = fs::read_to_string(&path).expect("a file of the tree");
        let (before, after) = (side('+'), side('-'));
        assert_eq!(text.matches(&before).count(), 1, "{} has not once:\n{before}", self.path);
        fs::write(&path, text.replacen(&before, &after, 1)).expect("a changed file");
        self.lines.iter().filter(|line| line.starts_with(['+', '-'])).count()
    }
}
