//! The environment variables of the program that are no configuration keys. Everything that reads or sets one takes its name
//! from here; the variable of a key follows from the key's path (`config/keys.rs`).

/// Defines each variable as a constant without the prefix, and [`NAMES`].
macro_rules! variables {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* pub const $name: &str = concat!("PICOCLAW_", stringify!($name));)*

        /// All of them without [`PREFIX`], each followed by a space.
        pub const NAMES: &str = concat!($(stringify!($name), " "),*);
    };
}

/// What the names of all variables of this program begin with.
pub const PREFIX: &str = "PICOCLAW_";
/// Another name of the key `gateway.log_level`.
pub const LOG_LEVEL: &str = "PICOCLAW_LOG_LEVEL";
/// The older name of [`MODEL_NAME`].
pub const MODEL: &str = "PICOCLAW_AGENTS_DEFAULTS_MODEL";
/// The variable of the key `agents.defaults.model_name`.
pub const MODEL_NAME: &str = "PICOCLAW_AGENTS_DEFAULTS_MODEL_NAME";

variables! {
    /// The home: configuration, conversations, state; without it `~/.picoclaw`.
    HOME;
    /// The configuration file, instead of `config.json` of the home.
    CONFIG;
    /// Memory that the process should keep within, a size such as `8MiB`.
    MEM_LIMIT;
    /// Folder of the skills that came with the program.
    BUILTIN_SKILLS;
    /// The program, for the Go version's launcher; nothing reads it.
    BINARY;
    /// Passphrase of the `enc://` values.
    KEY_PASSPHRASE;
    /// Key file of the `enc://` values.
    SSH_KEY_PATH;
    /// DNS servers, for the Go version; nothing reads it.
    DNS_SERVER;
    /// Server that signs users in, instead of the provider's.
    AUTH_ISSUER;
    /// File with the board's facts, instead of the image's.
    BOARD_FILE;
    /// A test of the store writes its sample files anew.
    WRITE_SAMPLE;

    /// Arguments of the supervisor, for the init script; the program does not read it.
    ARGS;
    /// Mount point of the boot partition; empty: none.
    BOOT;
    /// Bytes of data that the daemon may have without cgroups (RLIMIT_DATA).
    DATA_MAX;
    /// Arguments of the gateway, separated by blanks.
    GATEWAY_ARGS;
    /// Seconds without a keepalive after which the daemon is restarted.
    KEEPALIVE;
    /// How the supervisor limits memory: `auto`, `cgroup`, `rlimit` or `none`.
    LIMITS;
    /// Where the supervisor's log goes: `auto`, `syslog` or `stderr`.
    LOG;
    /// `memory.high` of the daemon, bytes: above it the kernel slows it down.
    MEMORY_HIGH;
    /// `memory.max` of the daemon, bytes.
    MEMORY_MAX;
    /// `oom_score_adj` of the daemon without cgroups, -1000 to 1000.
    OOM_SCORE_ADJ;
    /// `yes` on an image of our own: more than `picoclaw.json` is taken from the boot partition.
    OWN_IMAGE;
    /// `pids.max` of each cgroup.
    PIDS_MAX;
    /// The program that the supervisor starts, instead of itself.
    PROGRAM;
    /// Seconds before a daemon that ended too early starts again.
    RESPAWN_DELAY;
    /// Seconds that a daemon has to run so that its end is not too early.
    RESPAWN_THRESHOLD;
    /// Starts that may end too early before a longer pause.
    RESPAWN_TRIES;
    /// Folder of what others may read about the supervisor; in RAM.
    RUN;
    /// Whether the supervisor asks time servers: `auto`, `yes` or `no`.
    SNTP;
    /// `memory.swap.max` of each cgroup, bytes.
    SWAP_MAX;
    /// Root's own folder on the data partition.
    SYSTEM;
    /// Time servers until the daemon names others, separated by blanks.
    TIME_SERVERS;
    /// Bytes of data that a command may have without cgroups (RLIMIT_DATA).
    TOOLS_DATA_MAX;
    /// `memory.max` of all commands together, bytes.
    TOOLS_MEMORY_MAX;
    /// User of the commands; empty: the daemon's.
    TOOL_USER;
    /// User of the daemon.
    USER;
    /// The watchdog's device; empty: none.
    WATCHDOG;
    /// Timeout to ask of the watchdog, in seconds.
    WATCHDOG_TIMEOUT;

    /// Supervisor to daemon: the limits in force.
    LIMITS_IN_FORCE;
    /// Supervisor to daemon: descriptor of the socket for keepalives and announcements.
    NOTIFY_FD;
    /// Daemon to itself, when it is started again in its own place.
    RELOADED;
    /// Supervisor to daemon: the cgroup of the commands.
    TOOLS_CGROUP;
    /// Supervisor to daemon: bytes of data that a command may have.
    TOOLS_RLIMIT_DATA;
    /// Supervisor to daemon: descriptor of the exec broker's socket.
    TOOL_FD;
    /// Supervisor to daemon: group of the commands' user.
    TOOL_GROUP;
}
