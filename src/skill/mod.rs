//! Skills: folders with a SKILL.md, listed in the prompt and read by the model on demand.
//!
//! [`load`] finds them; `source`, `unpack`, `writer`, `install` and `fetch` bring new ones.

#[cfg(feature = "skill-install")]
pub mod fetch;
pub mod frontmatter;
#[cfg(feature = "skill-install")]
pub mod install;
pub mod load;
pub mod origin;
pub mod report;
#[cfg(feature = "skill-install")]
pub mod source;
#[cfg(feature = "skill-install")]
mod unpack;
#[cfg(feature = "skill-install")]
mod writer;
