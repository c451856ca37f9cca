//! Everything that needs sockets, files or processes, in one binary: the real binary against the test peer,
//! parts of the library against scripted servers, and upstream's rows where they are at hand.

#[cfg(feature = "migrate")]
mod adoption;
mod agent_tools;
mod approvals;
mod attack;
#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "sign-in")]
mod auth;
#[cfg(feature = "sign-in")]
mod auth_renewed;
#[cfg(feature = "backup")]
mod backup;
mod bad_input;
mod campaign;
mod clean_stop;
mod closed_output;
mod command_line;
mod command_line_bounds;
mod config_errors;
mod config_faults;
mod config_files;
mod config_folder;
mod config_report;
mod config_set;
mod config_shapes;
mod conformance_config;
mod conformance_context;
#[cfg(feature = "migrate")]
mod conformance_migrate;
mod conformance_provider;
#[cfg(feature = "skill-install")]
mod conformance_skills;
mod conformance_steering;
mod conformance_telegram;
mod conformance_tool;
mod conformance_web;
mod consolidation;
mod contributing;
mod control_socket;
mod conversation;
mod conversation_shapes;
mod cron;
mod cron_command;
mod cron_target;
mod cron_unwritable;
mod delivery;
#[cfg(feature = "doctor")]
mod doctor;
mod durability;
#[cfg(feature = "encryption")]
mod encrypted;
mod escapes;
mod escapes_calls;
mod failing_calls;
mod flood;
mod full_disk;
mod fuzz_smoke;
mod gateway;
#[cfg(feature = "hardware")]
mod hardware;
mod harness;
mod harness_daemon;
mod harness_disk;
mod heartbeat;
mod history;
#[cfg(feature = "hooks")]
mod hooks;
mod last_crash;
mod leftovers;
#[cfg(feature = "maixcam")]
mod maixcam;
#[cfg(all(feature = "telegram", feature = "media"))]
mod media;
mod memory_search;
#[cfg(feature = "migrate")]
mod migrate;
#[cfg(feature = "migrate")]
mod migrate_homes;
mod net_http;
mod net_proxy;
mod net_tls;
mod old_kernel;
mod pairing;
mod parallel_commands;
#[cfg(all(feature = "telegram", feature = "media"))]
mod patience;
mod pause;
#[cfg(feature = "pico")]
mod pico;
#[cfg(feature = "pico")]
mod pico_client;
mod provider_chain;
mod provider_http;
mod reflect;
mod refusals;
mod rows;
mod scripted_server;
mod secrets;
#[cfg(all(feature = "telegram", feature = "media"))]
mod send_file;
mod session_files;
mod simulate;
#[cfg(feature = "skill-install")]
mod skills;
#[cfg(feature = "skill-install")]
mod skills_stop;
mod skip;
mod ssrf;
mod steering;
mod steps;
mod subagents;
mod summary;
mod supervise;
mod tidy;
mod tool_call;
mod tool_user;
mod tool_user_files;
mod trust;
mod turn_attempts;
mod turns;
mod unattended;
#[cfg(all(feature = "telegram", feature = "media"))]
mod voice;
mod web_fetch;
mod web_search;
mod wire;
