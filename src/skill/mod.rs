//! Skills: folders with a SKILL.md, listed in the prompt and read by the model on demand.

pub mod frontmatter;
pub mod load;
