//! Skills: folders with a SKILL.md, listed in the prompt and read by the model on demand.
//!
//! [`load`] finds them; `source`, `unpack`, `writer`, `install` and `fetch` bring new ones.

pub mod fetch;
pub mod frontmatter;
pub mod install;
pub mod load;
pub mod origin;
pub mod report;
pub mod source;
mod unpack;
mod writer;
