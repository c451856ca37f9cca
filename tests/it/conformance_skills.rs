//! Rows of `../shared/cases` about skills; skipped where that folder is not there.

use picoclaw::skill::frontmatter;

use crate::rows::{rows, same, string};

#[test]
fn skills() {
    rows("skills", |test, name, input, want| match test {
        "TestSkillsInfoValidate" => {
            let problem =
                frontmatter::problem(string(&input["skillName"]), string(&input["description"]));
            same(name, problem.is_some(), want["wantErr"].as_bool().expect("a bool"))?;
            for part in want["errContains"].as_array().into_iter().flatten() {
                same(name, problem.is_some_and(|p| p.contains(string(part))), true)?;
            }
            Ok(())
        }
        "TestStripFrontmatter" => same(
            name,
            frontmatter::body(string(&input["content"])),
            string(&want["expectedContent"]),
        ),
        _ => Err("installing skills from a repository is later work".into()),
    });
}
