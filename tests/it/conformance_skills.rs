//! Conformance rows ([`crate::rows`]) about skills.

use picoclaw::skill::frontmatter;
use picoclaw::skill::source::{GITHUB, SkillSource, is_part};

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
        "TestParseGitHubRef" => {
            let source = SkillSource::parse(string(&input["repo"]), GITHUB);
            same(name, source.is_err(), want["wantErr"].as_bool().expect("a bool"))?;
            let (repo, path, reference) = match source {
                Ok(SkillSource::Repository { name, path, reference }) => (name, path, reference),
                Ok(_) => return Err("no repository".into()),
                Err(_) => return Ok(()),
            };
            let wanted =
                format!("{}/{}", string(&want["wantOwner"]), string(&want["wantRepoName"]));
            same(name, &*repo, &*wanted)?;
            same(name, &*path, string(&want["wantSubPath"]))?;
            // Where nobody named a branch, the repository's own default is asked for: it need not be `main`.
            match reference.is_empty() {
                true => Ok(()),
                false => same(name, &*reference, string(&want["wantRef"])),
            }
        }
        "TestShouldDownload" => {
            let root = input["root"].as_bool().expect("a bool");
            let part = is_part(string(&input["file"]), root);
            same(name, part, want["want"].as_bool().expect("a bool"))
        }
        "TestIsSkillDirectory" => {
            let inside = format!("{}/file", string(&input["dir"]));
            same(name, is_part(&inside, true), want["want"].as_bool().expect("a bool"))
        }
        _ => Err("an unknown test".into()),
    });
}
