//! The ways of attack that are tried, each with its rows: attempts of the program in `attempts/`, or tests with clients of the
//! daemon. The boot test's scene `attack` plays the program's rows on the image.

use super::routes::Route;

/// The attempts of a mechanism.
pub enum Rows {
    /// Those of the program under the mechanism's name.
    Program,
    /// Tests, as `module::name`.
    Tests(&'static [&'static str]),
}

/// One way of attack.
pub struct Mechanism {
    pub name: &'static str,
    pub rows: Rows,
    pub routes: &'static [Route],
}

/// Rows of the program are for all routes on which commands run; as root, none does (`root-daemon`).
const COMMANDS: &[Route] = &[Route::Desktop, Route::Supervisor, Route::NoLandlock];
const DAEMON: &[Route] = &[Route::Daemon];

const fn program(name: &'static str) -> Mechanism {
    Mechanism { name, rows: Rows::Program, routes: COMMANDS }
}

const fn tests(name: &'static str, tests: &'static [&'static str]) -> Mechanism {
    Mechanism { name, rows: Rows::Tests(tests), routes: DAEMON }
}

const fn on(routes: &'static [Route], mechanism: Mechanism) -> Mechanism {
    Mechanism { routes, ..mechanism }
}

/// Most rows of one.
pub const ROWS_EACH: usize = 20;

pub const MECHANISMS: &[Mechanism] = &[
    // What a command does itself.
    program("read-home"),
    program("file-handle"),
    program("write-home"),
    program("truncate"),
    program("read-outside"),
    program("write-outside"),
    program("modes"),
    program("times"),
    program("extended-attributes"),
    program("inode-flags"),
    program("owners"),
    program("set-user-id"),
    program("exchanged-names"),
    program("big-files"),
    program("signals"),
    program("signals-to-others"),
    program("priorities"),
    program("tracing"),
    program("proc-files"),
    program("environment"),
    program("descriptors"),
    program("unix-sockets"),
    program("socket-families"),
    program("lasting-objects"),
    program("inherited-sandbox"),
    program("namespaces"),
    program("mounts"),
    program("kernel-calls"),
    program("clock"),
    program("keys"),
    program("io-uring"),
    program("userfaultfd"),
    program("bpf"),
    program("other-numbers"),
    program("privileges"),
    program("devices"),
    program("device-nodes"),
    program("terminal"),
    program("kernel-files"),
    program("secrets-of-the-system"),
    on(
        &[Route::Desktop, Route::NoLandlock],
        tests(
            "orphans",
            &[
                "escapes::escaped_processes_are_killed",
                "tool_user::nothing_outlives_its_command_or_the_daemon",
            ],
        ),
    ),
    on(
        &[Route::Desktop, Route::NoLandlock],
        tests(
            "hogs",
            &["escapes::hogs_are_held", "tool_user::nothing_outlives_its_command_or_the_daemon"],
        ),
    ),
    on(
        &[Route::Desktop, Route::NoLandlock],
        tests(
            "unsandboxed",
            &[
                "approvals::without_a_sandbox_chats_ask_and_status_says_so",
                "tool_user::without_such_a_user_chats_ask",
            ],
        ),
    ),
    on(
        &[Route::Desktop, Route::NoLandlock],
        tests(
            "control-socket",
            &[
                "escapes::the_control_socket_answers_no_command",
                "tool_user::the_other_user_gets_nowhere",
                "control_socket::no_command_is_answered_whatever_it_does_to_its_descent",
            ],
        ),
    ),
    on(
        &[Route::Root],
        tests("root-daemon", &["attack::root::root_runs_no_commands_of_a_model_unless_told_to"]),
    ),
    // What it leaves for the daemon to open.
    tests("planted-links", &["attack::names::links_lead_nowhere"]),
    tests("planted-folder-links", &["attack::names::folders_that_are_links_lead_nowhere"]),
    tests("planted-hard-links", &["attack::names::hard_links_are_refused"]),
    tests(
        "planted-pipes",
        &[
            "attack::names::pipes_hold_up_nobody",
            "attack::names::set_aside_files_are_reported_and_the_conversation_continues",
        ],
    ),
    tests("planted-folders", &["attack::names::folders_are_no_files"]),
    tests("planted-state", &["attack::state::planted_workspace_state_has_no_effect"]),
    tests("backup-targets", &["attack::names::a_backup_is_nobodys_before_it_is_whole"]),
    tests(
        "races-of-names",
        &[
            "attack::races::reading_stays_inside",
            "attack::races::writing_stays_inside",
            "attack::races::names_stay_inside",
            "escapes::links_and_renames_gain_nothing",
        ],
    ),
    tests("races-of-attributes", &["outside_nothing_changes", "exchanges_gain_nothing"]),
    tests(
        "folder-behind-the-question",
        &["approvals::a_folder_exchanged_behind_the_question_gains_nothing"],
    ),
    on(
        &[Route::Root],
        tests(
            "roots-command-line",
            &[
                "attack::root::roots_commands_leave_the_home_to_its_owner",
                "attack::root::roots_commands_go_through_no_link_of_the_homes",
                "skills::skills_installed_by_root_belong_to_the_workspaces_owner",
            ],
        ),
    ),
    on(
        &[Route::Root],
        tests("migrate-sources", &["attack::root::files_migrated_by_root_belong_to_the_owner"]),
    ),
    tests(
        "archives",
        &[
            "ways_out_are_refused",
            "bombs_and_truncated_archives_are_refused",
            "backup::invalid_backups_change_nothing",
        ],
    ),
    tests(
        "installed-skills",
        &[
            "skills::the_model_alone_installs_nothing",
            "a_way_out_of_the_workspace_is_not_taken",
            "skills::an_agent_sees_only_its_skills",
        ],
    ),
    // What the model does through tools.
    tests("files-of-the-home-by-tools", &["attack::state::files_of_the_home_are_out_of_reach"]),
    tests("sent-files", &["send_file::only_files_of_the_workspace_go_out"]),
    tests(
        "private-addresses",
        &[
            "ssrf::a_private_address_is_refused_in_every_notation",
            "web_fetch::a_name_that_leads_inside_is_refused_unless_listed",
            "ssrf::a_neighbour_with_a_global_address_is_refused",
        ],
    ),
    tests(
        "redirects",
        &[
            "web_fetch::redirects_lead_to_no_private_address_and_to_no_other_scheme",
            "ssrf::no_key_follows_a_redirect",
        ],
    ),
    tests("moving-names", &["ssrf::a_name_that_moves_leads_nowhere_but_to_the_checked_address"]),
    tests(
        "proxies",
        &[
            "ssrf::a_proxy_is_given_the_address_that_was_checked",
            "web_fetch::behind_a_proxy_private_addresses_stay_out_of_reach",
        ],
    ),
    tests(
        "hardware",
        &[
            "hardware::vital_devices_are_refused_before_asking",
            "hardware::devices_that_are_not_there_and_words_of_the_model_do_nothing",
        ],
    ),
    tests(
        "unattended-turns",
        &[
            "unattended::heartbeat_and_jobs_have_no_exec",
            "unattended::granted_tools_run_and_approvals_are_refused",
            "unattended::a_sub_agent_asks_who_wrote_and_has_no_more_than_its_turn",
        ],
    ),
    tests("jobs-without-approval", &["cron_command::unapproved_commands_do_not_run"]),
    tests(
        "a-models-word",
        &["approvals::harmless_commands_do_not_ask_and_a_models_word_is_no_approval"],
    ),
    tests(
        "obeyed-pages",
        &[
            "attack::chain::a_page_that_is_obeyed_gains_nothing",
            "approvals::untrusted_text_makes_commands_ask",
        ],
    ),
    tests(
        "endless-models",
        &["bad_input::model_that_loops", "bad_input::model_arguments_without_end"],
    ),
    // What people and clients send.
    tests(
        "strangers",
        &[
            "pairing::a_stranger_gets_one_answer_and_no_model",
            "pairing::an_empty_list_is_nobody_and_a_star_is_everybody",
            "pairing::groups_never_answer_strangers_and_wait_to_be_asked",
        ],
    ),
    tests("forged-senders", &["attack::forged::nobody_passes_for_the_owner"]),
    tests("smuggled-requests", &["attack::forged::a_second_request_in_the_first_is_not_answered"]),
    tests(
        "guessed-codes",
        &[
            "pairing::a_code_the_owner_chose_works_and_guessing_ends",
            "pairing::the_code_in_the_log_pairs_for_good",
            "strangers_in_any_number_keep_nobody_out",
            "a_chosen_code_is_guessed_five_times_an_hour_by_each_sender",
        ],
    ),
    tests(
        "forged-approvals",
        &[
            "approvals::nobody_else_answers",
            "approvals::a_question_ends_with_its_turn",
            "approvals::a_restart_counts_as_no",
            "approvals::the_command_line_needs_a_terminal_to_say_yes",
        ],
    ),
    tests(
        "telegram-updates",
        &[
            "bad_input::telegram_unknown_update_kinds",
            "bad_input::telegram_missing_and_wrong_fields",
            "bad_input::telegram_updates_that_are_no_objects",
        ],
    ),
    tests(
        "large-bodies",
        &[
            "bad_input::telegram_body_of_20_mb",
            "bad_input::model_body_of_20_mb",
            "bad_input::telegram_message_of_100_kb",
        ],
    ),
    tests(
        "floods",
        &["flood::stop_is_heard_behind_a_flood", "bad_input::a_burst_is_neither_lost_nor_hoarded"],
    ),
    tests(
        "pico-tokens",
        &[
            "pico::without_the_token_nothing_is_given",
            "pico::the_query_and_origins_are_as_configured",
            "pico::a_channel_without_a_token_is_an_error",
        ],
    ),
    tests("pico-frames", &["pico::wrong_envelopes_are_answered_and_wrong_frames_end_it"]),
    tests(
        "slow-clients",
        &[
            "pico::silent_and_unresponsive_clients_are_closed",
            "gateway::idle_connections_do_not_close_health",
            "maixcam::a_camera_that_never_reads_is_closed_and_the_others_hear_everything",
        ],
    ),
    tests(
        "cameras",
        &[
            "maixcam::without_the_token_nothing_is_given",
            "maixcam::bad_cameras_are_closed_and_others_are_served",
            "maixcam::listed_addresses_need_no_token",
        ],
    ),
    tests(
        "health-port",
        &[
            "gateway::listening_sockets_reveal_little_without_a_token",
            "gateway::other_addresses_than_loopback_need_the_token",
        ],
    ),
    tests(
        "hostile-servers",
        &[
            "net_http::broken_responses",
            "net_http::limits",
            "net_http::a_body_that_never_ends_is_given_up",
        ],
    ),
    tests(
        "printed-secrets",
        &[
            "secrets::no_tool_result_and_no_log_line_holds_a_secret",
            "gateway::no_secret_is_printed",
            "config_report::show_names_value_and_source_and_no_secret",
        ],
    ),
];

#[test]
fn the_table_is_whole() {
    assert!(MECHANISMS.len() >= 40, "{}", MECHANISMS.len());
    let rows = super::attempts::rows();
    let mut names: Vec<&str> = MECHANISMS.iter().map(|m| m.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), MECHANISMS.len(), "a mechanism is there twice");
    let mut counted = 0;
    for mechanism in MECHANISMS {
        let prefix = format!("{}/", mechanism.name);
        let of_program = rows.iter().filter(|row| row.name.starts_with(&prefix)).count();
        let count = match mechanism.rows {
            Rows::Program => of_program,
            Rows::Tests(tests) => tests.len(),
        };
        let only_x86 = mechanism.name == "other-numbers" && !cfg!(target_arch = "x86_64");
        assert!(count > 0 || only_x86, "{} has no row", mechanism.name);
        assert!(count <= ROWS_EACH, "{} has {count} rows", mechanism.name);
        assert!(!mechanism.routes.is_empty(), "{} is tried nowhere", mechanism.name);
        counted += of_program;
    }
    assert_eq!(counted, rows.len(), "rows of the program whose mechanism is not in the table");
}
