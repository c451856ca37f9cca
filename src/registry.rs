//! Which tools there are: the one table from which the rest of the program is derived.
//!
//! It lies below everything, so that the configuration can know the names without knowing the code behind them. The table
//! is a macro that hands its lines to another one: `tool` makes the modules and the list of [`ToolSpec`]s of them,
//! `config` the switches `tools.NAME.enabled` and `tools.NAME.approval`, their defaults and their documentation.
//! A new tool is a file in `src/tool/` and a line here; docs/contributing/adding-a-tool.md shows one.
//!
//! [`ToolSpec`]: crate::tool::ToolSpec

/// The tools, in the order in which the model is told of them. A group is a module of `src/tool/` and the builds that
/// have it (`all()` is every one). A line is the tool's name, its `ToolSpec` in that module, whether a configuration that
/// says nothing has it on (the names are those of `src/config/tools.rs`), and what its switch's documentation says behind
/// the name.
macro_rules! tools {
    ($with:ident) => {
        $with! {
            #[cfg(all())]
            mod file {
                read_file = READ_FILE, ON, "";
                write_file = WRITE_FILE, ON, "";
                edit_file = EDIT_FILE, ON, "";
                append_file = APPEND_FILE, ON, "";
                list_dir = LIST_DIR, ON, "";
            }
            #[cfg(all())]
            mod exec { exec = EXEC, ON, ""; }
            #[cfg(all())]
            mod memory {
                memory_search = MEMORY_SEARCH, ON, "";
                memory_append = MEMORY_APPEND, ON, "";
            }
            #[cfg(all())]
            mod message { message = MESSAGE, ON, ""; }
            #[cfg(feature = "media")]
            mod send { send_file = SEND_FILE, ON, ""; }
            #[cfg(all())]
            mod cron { cron = CRON_TOOL, ON, ", and the jobs themselves"; }
            #[cfg(all())]
            mod skills {
                find_skills = FIND_SKILLS, ON, "";
                install_skill = INSTALL_SKILL, ON, "; it asks whatever its approval says";
            }
            #[cfg(all())]
            mod subagent {
                spawn = SPAWN, ON, ": a sub-agent in the background";
                subagent = SUBAGENT, ON, ": a sub-agent that is waited for";
                spawn_status = SPAWN_STATUS, ON, "";
                spawn_cancel = SPAWN_CANCEL, ON, "";
            }
            #[cfg(feature = "hardware")]
            mod hardware {
                board = BOARD, ON, ": name, temperature and uptime of the board";
                i2c = I2C, ON_IN_V0, ": sensors and chips on the board's buses";
                spi = SPI, ON_IN_V0, "";
                serial = SERIAL, OFF, ": ports on the header and on USB";
                gpio = GPIO, OFF, ": lines of the header";
            }
            #[cfg(feature = "web")]
            mod web {
                web_fetch = WEB_FETCH, ON, "";
                web_search = WEB_SEARCH, ON, "";
            }
        }
    };
}
pub(crate) use tools;
