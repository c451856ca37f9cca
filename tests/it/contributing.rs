//! docs/contributing/: each worked diff fits this tree, changes no more than it promises, and what comes out compiles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// What Cargo wants of the tree.
const PARTS: &[&str] = &["Cargo.toml", "Cargo.lock", "build.rs", "src", "tests/peer", "tests/rig"];

/// What scripts/generate/boards wants besides.
const PACKAGING: &[&str] = &[
    "boards",
    "buildroot",
    "docs/boards",
    "meta-picoclaw",
    "scripts/generate/boards",
    "scripts/image/board-facts",
];

/// `picoclaw config keys`.
const CONFIG_KEYS: &str = "//! Prints the keys.
use argh::FromArgs;
fn main() {
    let args = picoclaw::args::ConfigArgs::from_args(&[\"config\"], &[\"keys\"]).unwrap();
    picoclaw::command::config::run(&args).unwrap();
}
";

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
    for part in PARTS {
        copy(&root().join(part), &tree.join(part));
    }
    let mut features = Vec::new();
    for worked in WORKED {
        let path = root().join("docs/contributing").join(worked.document);
        let text = fs::read_to_string(&path).expect(worked.document);
        let mut changed = Vec::new();
        let files = diff(&text);
        for file in &files {
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
    cargo(&["check", "--quiet", "--frozen", "--lib"]);
    let features = features.join(",");
    // An example, since the program itself would take the place of the one that other tests run.
    fs::create_dir_all(tree.join("examples")).expect("a folder");
    fs::write(tree.join("examples/config_keys.rs"), CONFIG_KEYS).expect("an example");
    let run = ["run", "--quiet", "--frozen", "--features", &features, "--example", "config_keys"];
    let keys = cargo(&run);
    for key in ["tools.uptime.enabled", "tools.exec.nice"] {
        assert!(keys.contains(key), "`picoclaw config keys` lacks {key}");
    }
    generated_lists_follow(&tree, &features);
}

/// scripts/generate/boards brings a new feature to Buildroot and Yocto. Skipped where there is no Python that has TOML.
fn generated_lists_follow(tree: &Path, features: &str) {
    let python = Command::new("python3").args(["-c", "import tomllib"]).output();
    if !python.is_ok_and(|out| out.status.success()) {
        crate::skip::skip(crate::skip::Missing::Python);
        return;
    }
    for part in PACKAGING {
        copy(&root().join(part), &tree.join(part));
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
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).expect("a folder").flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
        return;
    }
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
