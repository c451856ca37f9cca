use super::*;
use crate::skill::unpack::archive;
use crate::sys::scratch::{InScratch, Scratch};

fn site(name: &str) -> InScratch<InstallPaths> {
    Scratch::named(name).hold(|dir| {
        fs::create_dir(dir.join("home")).expect("a folder");
        InstallPaths { home: dir.join("home"), workspace: dir.join("home/workspace") }
    })
}

fn text(name: &str, words: &str) -> String {
    format!("---\nname: {name}\ndescription: {words}\n---\n# {name}\n")
}

/// A folder with a skill, beside the site.
fn folder(site: &InstallPaths, name: &str, words: &str) -> SkillSource {
    let dir = site.home.join("from").join(name);
    fs::create_dir_all(dir.join("scripts")).expect("a folder");
    fs::write(dir.join("SKILL.md"), text(name, words)).expect("written");
    fs::write(dir.join("scripts/run.sh"), words).expect("written");
    SkillSource::Folder(dir)
}

fn read(site: &InstallPaths, path: &str) -> String {
    fs::read_to_string(site.workspace.join("skills").join(path)).unwrap_or_default()
}

#[test]
fn installed_with_its_origin_and_removed() {
    let site = site("install");
    let source = folder(&site, "a", "one");
    let done = site
        .open(Duration::ZERO)
        .expect("a bench")
        .install(&source, None, false, 5)
        .expect("installed");
    assert_eq!((&*done.name, &*done.description, done.replaced), ("a", "one", false));
    assert_eq!((done.origin.files, &*done.origin.registry), (2, "folder"));
    assert_eq!(read(&site, "a/scripts/run.sh"), "one");
    assert_eq!(InstallOrigin::of(&site.workspace.join("skills/a")), Some(done.origin));
    let bench = site.open(Duration::ZERO).expect("a bench");
    assert!(bench.remove("b").expect_err("none").as_str().contains("'b' not found"));
    bench.remove("a").expect("removed");
    assert!(!site.workspace.join("skills/a").exists());
    assert_eq!(fs::read_dir(&bench.base).expect("a folder").count(), 1, "only the lock is left");
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let site = site("install-force");
    let bench = site.open(Duration::ZERO).expect("a bench");
    bench.install(&folder(&site, "a", "one"), None, false, 5).expect("installed");
    fs::write(site.workspace.join("skills/a/own.txt"), "mine").expect("written");
    let two = folder(&site, "a", "two");
    let e = bench.install(&two, None, false, 6).expect_err("it is there");
    assert!(e.as_str().contains("already exists (--force"), "{e}");
    assert_eq!(
        (read(&site, "a/own.txt"), read(&site, "a/scripts/run.sh")),
        ("mine".into(), "one".into())
    );
    assert!(bench.install(&two, None, true, 6).expect("replaced").replaced);
    assert_eq!(
        (read(&site, "a/own.txt"), read(&site, "a/scripts/run.sh")),
        (String::new(), "two".into())
    );
}

#[test]
fn failed_installs_keep_the_old_skill() {
    let site = site("install-wrong");
    let bench = site.open(Duration::ZERO).expect("a bench");
    bench.install(&folder(&site, "a", "one"), None, false, 5).expect("installed");
    let SkillSource::Folder(dir) = folder(&site, "b", "two") else { panic!("a folder") };
    for (broken, want) in [
        ("---\nname: a b\ndescription: x\n---\n", "single hyphens"),
        ("---\nname: a\n---\n", "description is required"),
    ] {
        fs::write(dir.join("SKILL.md"), broken).expect("written");
        let e = bench.install(&SkillSource::Folder(dir.clone()), None, true, 6).expect_err(broken);
        assert!(e.as_str().contains(want), "{e}");
    }
    fs::write(dir.join("SKILL.md"), text("a", "new")).expect("written");
    std::os::unix::fs::symlink("/etc/passwd", dir.join("scripts/link")).expect("a link");
    let e = bench.install(&SkillSource::Folder(dir), None, true, 6).expect_err("a link");
    assert!(e.as_str().contains("scripts/link is a link"), "{e}");
    assert_eq!(read(&site, "a/scripts/run.sh"), "one");
}

#[test]
fn one_at_a_time() {
    let site = site("install-lock");
    let _bench = site.open(Duration::ZERO).expect("a bench");
    assert!(site.open(Duration::ZERO).err().expect("locked").as_str().contains("under way"));
}

#[test]
fn a_replacement_that_was_cut_off_is_undone() {
    let site = site("install-cut");
    site.open(Duration::ZERO)
        .expect("a bench")
        .install(&folder(&site, "a", "one"), None, false, 5)
        .expect("done");
    // As a file system without exchange leaves it between its two steps.
    let old = site.home.join("state/skills.old");
    fs::create_dir(&old).expect("a folder");
    fs::rename(site.workspace.join("skills/a"), old.join("a")).expect("moved");
    fs::create_dir(site.home.join("state/skills.new")).expect("a folder");
    drop(site.open(Duration::ZERO).expect("a bench"));
    assert_eq!(read(&site, "a/scripts/run.sh"), "one");
    assert!(!old.exists());
}

#[test]
fn a_way_out_of_the_workspace_is_not_taken() {
    let site = site("install-link");
    let bench = site.open(Duration::ZERO).expect("a bench");
    let outside = site.home.join("outside");
    fs::create_dir(&outside).expect("a folder");
    std::os::unix::fs::symlink(&outside, site.workspace.join("skills")).expect("a link");
    assert!(bench.install(&folder(&site, "a", "one"), None, false, 5).is_err());
    assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 0);
}

#[test]
fn archives_keep_the_commit() {
    let site = site("install-commit");
    let text = text("a", "one");
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let comment = format!("52 comment={hash}\n");
    let bytes = archive(&[("g", b'g', comment.as_bytes()), ("r/SKILL.md", b'0', text.as_bytes())]);
    let bench = site.open(Duration::ZERO).expect("a bench");
    fs::write(bench.archive(), bytes).expect("written");
    let source = SkillSource::parse("o/r@v1", crate::skill::source::GITHUB).expect("a source");
    let done = bench.install(&source, Some(&bench.archive()), false, 5).expect("installed");
    assert_eq!((&*done.origin.commit, &*done.origin.version), (hash, "v1"));
}
