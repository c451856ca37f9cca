//! The tables of tools and of channel kinds, from which the rest of the program is derived.
//!
//! This is the lowest layer, so that the configuration knows the names without depending on the code. A table is a
//! macro that passes its lines to another one. From the tools, `tool` generates its modules and its list, `config` the keys
//! `tools.NAME.enabled` and `tools.NAME.approval`, their defaults and their documentation. From the channels, `channel`
//! generates its modules and `AnyChannel`, `config` the parser of an entry of `channel_list`.
//!
//! A new tool is a file in `src/tool/` and a line here, a new channel a folder in `src/channel/` and a line here:
//! docs/contributing/ shows one of each.

/// The tools, in the order in which the model is told of them. A group, which may be one line, is a module of `src/tool/` and the builds that
/// have it (`all()` is every one). A line is the tool's name, its `ToolSpec` in that module, its flags, such as whether a configuration that
/// says nothing has it on (their names are those of `src/config/tools.rs`), and what its switch's documentation says behind
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
            mod exec { exec = EXEC, ON_RUNS_COMMANDS, ""; }
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
            #[cfg(feature = "skill-install")]
            mod skills {
                find_skills = FIND_SKILLS, ON, "";
                install_skill = INSTALL_SKILL, ON, "; it asks whatever its approval says";
            }
            #[cfg(all())]
            mod subagent {
                spawn = SPAWN, ON, ": a sub-agent in the background";
                subagent = SUBAGENT, ON, ": a sub-agent whose result the call waits for";
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

/// The channel of the command line, whose user sits at the machine; `channel_list` may not call one so.
pub(crate) const CLI: &str = "cli";

/// The kinds of channels that `channel_list` may name. A line is the builds that have it, the folder in `src/channel/`,
/// which is also the `type` of an entry, and the channel's type in it.
macro_rules! channel_kinds {
    ($with:ident) => {
        $with! {
            #[cfg(feature = "telegram")] telegram = Telegram;
            #[cfg(feature = "maixcam")] maixcam = MaixCam;
            #[cfg(feature = "pico")] pico = Pico;
        }
    };
}
pub(crate) use channel_kinds;
