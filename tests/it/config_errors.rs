//! Every complaint: its place, its key, its cure.

use crate::config_folder::Folder;
use picoclaw::limits;

/// A model that keeps the rest of a file quiet.
const MODEL: &str = r#""model_list":[{"model_name":"m","model":"ollama/x"}]"#;

#[track_caller]
fn error(config: &str, want: &str) {
    assert_eq!(Folder::with(config).errors(), want);
}

#[track_caller]
fn warning(config: &str, want: &str) {
    assert_eq!(Folder::with(config).warnings(), want);
}

#[track_caller]
fn error_of(member: &str, want: &str) {
    error(&format!("{{{MODEL},\n  {member}}}"), &format!("home/config.json:2:{want}"));
}

#[track_caller]
fn warning_of(member: &str, want: &str) {
    warning(&format!("{{{MODEL},\n  {member}}}"), &format!("home/config.json:2:{want}"));
}

#[test]
fn syntax() {
    error(
        "{\n  \"a\": 1,\n}\n        ",
        "home/config.json:3:1: not JSON: trailing comma (remove the comma before the bracket)",
    );
    error(
        "{\n  // hm\n  \"a\": 1}",
        "home/config.json:2:3: not JSON: key must be a string (keys need double quotes, and JSON has no comments)",
    );
    error(
        "{\"ä\": \"ö\" \"b\": 1}",
        "home/config.json:1:11: not JSON: expected `,` or `}` (a comma is missing before this, or a quote inside a string lacks its backslash)",
    );
    error("{\r\n\"a\": tru\r\n}      ", "home/config.json:2:9: not JSON: expected ident");
    error(
        "[1,2,3,4,5,6]",
        "home/config.json:1:1: an object is needed at the top, this is an array",
    );
    error(
        "{\"a\": {\"b\": [1, 2",
        "home/config.json:1:17: not JSON: EOF while parsing a list (a bracket or a quote is not closed)",
    );
    error("{\"version\": 1e999}", "home/config.json:1:13: not a JSON value: number out of range");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    error(&deep, "home/config.json:1:37: nested deeper than 32 levels");
    warning(
        &format!("{{{MODEL},\n \"gateway\":{{\"port\":1,\"port\":2}}}}"),
        "home/config.json:2:22: `port` appears twice; the last one counts",
    );
}

#[test]
fn encodings() {
    let folder = Folder::new().file("home/config.json", b"{\n \"x\": \"\xff\", \"y\": 1}");
    assert_eq!(folder.errors(), "home/config.json:2:8: not UTF-8 text (save it as UTF-8)");
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain("{\"version\": 3}".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        Folder::new().file("home/config.json", utf16).errors(),
        "home/config.json:1:1: the file is UTF-16 (save it as UTF-8)"
    );
    let bom = format!("\u{feff}{{{MODEL},\r\n \"gateway\": {{\"port\": \"x\"}}}}\r\n");
    error(&bom, "home/config.json:2:14: gateway.port: a whole number is needed, this is a string");
    let bom = format!("\u{feff}{{{MODEL},\r\n \"gateway\": {{\"port\": 80}}}}\r\n");
    assert_eq!(Folder::with(&bom).good().config.gateway.port, 80);
}

#[test]
fn types() {
    error_of(
        r#""gateway": {"port": "18790"}"#,
        "15: gateway.port: a whole number is needed, this is a string (write it without quotes)",
    );
    error_of(r#""gateway": {"port": 70000}"#, "15: gateway.port: 70000 is outside 0 to 65535");
    error_of(r#""gateway": 5"#, "3: gateway: an object is needed, this is a number");
    error_of(
        r#""agents":{"defaults":{"max_tokens":1.5}}"#,
        "25: agents.defaults.max_tokens: a whole number is needed, this is a fraction",
    );
    error_of(
        r#""agents":{"defaults":{"max_tokens":-1}}"#,
        "25: agents.defaults.max_tokens: -1 is outside 0 and up",
    );
    error_of(
        r#""agents":{"defaults":{"temperature":3}}"#,
        "25: agents.defaults.temperature: outside 0 to 2",
    );
    error_of(
        r#""agents":{"defaults":{"workspace":[]}}"#,
        "25: agents.defaults.workspace: a string is needed, this is an array",
    );
    error_of(
        r#""agents":{"defaults":{"restrict_to_workspace":"true"}}"#,
        "25: agents.defaults.restrict_to_workspace: true or false is needed, this is a string (write it without quotes)",
    );
    error_of(
        r#""channels":{"telegram":{"allow_from":["a",{}]}}"#,
        "27: channels.telegram.allow_from: an array of strings is needed, element 1 is an object",
    );
    error_of(
        r#""channels":{"telegram":{"proxy":"ftp://h"}}"#,
        "27: channels.telegram.proxy: an address with http://, https://, socks5:// or socks5h:// and a host is needed",
    );
    error_of(
        r#""channels":{"telegram":{"base_url":"api.test"}}"#,
        "27: channels.telegram.base_url: an address with http:// or https:// and a host is needed",
    );
    error_of(
        r#""channels":{"telegram":{"token":5}}"#,
        "27: channels.telegram.token: a string is needed, this is a number",
    );
    error_of(
        r#""channels":[{"enabled":true}]"#,
        "15: channels[0]: this channel has neither `name` nor `type`",
    );
    error_of(
        r#""channel_list":{"p":{"type":"pico","settings":{"streaming":{"min_growth_chars":-1}}}}"#,
        "63: channel_list.p.settings.streaming.min_growth_chars: -1 is outside 0 and up",
    );
    error_of(
        r#""gateway":{"log_level":"inof"}"#,
        "14: gateway.log_level: `inof` is not one of debug, info, warn, warning, error, fatal (did you mean `info`?)",
    );
    error(
        r#"{"model_list": "x", "version": 3}"#,
        "home/config.json:1:2: model_list: an array, or an object by name, is needed, this is a string",
    );
    error(
        r#"{"model_list": [5], "version": 3}"#,
        "home/config.json:1:17: model_list[0]: an object is needed, this is a number",
    );
    error(
        r#"{"model_list":[{"model_name":"m","model":"ollama/x","api_key":5}]}"#,
        "home/config.json:1:53: model_list[0].api_key: an array of strings is needed, element 0 is a number",
    );
}

#[test]
fn values_in_context() {
    error(
        r#"{"version": 4, "x": 1}"#,
        "home/config.json:1:2: version: unsupported config version: 4 (this build reads versions 0 to 3)",
    );
    error(
        r#"{"model_list":[{"model":"gpt"}]}"#,
        "home/config.json:1:16: model_list[0]: model_name is required",
    );
    error(
        r#"{"model_list":[{"model_name":"a"},{"model_name":"m","model":"ollama/x"}]}"#,
        "home/config.json:1:16: model_list[0]: a: model is required",
    );
    error(
        r#"{"model_list":[{"model_name":"m","model":"ollama/x"},{"model_name":"a","model":"a//b"}]}"#,
        "home/config.json:1:72: model_list[1].model: a: a model cannot begin or end with a slash, nor contain two in a row",
    );
    error(
        r#"{"model_list":[{"model_name":"m","provider":"olama","model":"x"},{"model_name":"n","model":"ollama/x"}]}"#,
        "home/config.json:1:34: model_list[0].provider: no provider is called `olama` (did you mean `ollama`?)",
    );
    error(
        r#"{"model_list":[{"model_name":"m","model":"openai/x"}]}"#,
        "home/config.json:1:16: model_list[0]: no API key configured for model: m (`picoclaw config set model_list.m.api_keys -` reads one from standard input)",
    );
    error(
        r#"{"agents":{"defaults":{"model_name":"quick"}},"model_list":[{"model_name":"quack","model":"ollama/x"}]}"#,
        "home/config.json:1:24: agents.defaults.model_name: no entry of model_list is called `quick` (did you mean `quack`?)",
    );
    error(
        r#"{"agents":{"defaults":{"model_name":"b"}},"model_list":[{"model_name":"m","model":"ollama/x"},{"model_name":"b","model":"bedrock/x"}]}"#,
        "home/config.json:1:24: agents.defaults.model_name: b: provider bedrock is not supported by this build",
    );
    error_of(
        r#""channels":{"telegram":{"enabled":true}}"#,
        "15: channels.telegram: telegram is enabled and has no bot token (set `token`; @BotFather gives one)",
    );
    error_of(
        r#""channels":{"telegram":{"enabled":true,"token":"YOUR_TELEGRAM_BOT_TOKEN"}}"#,
        "42: channels.telegram.token: telegram is enabled and has no bot token (set `token`; @BotFather gives one)",
    );
    error_of(
        r#""channels":{"telegram":{"pairing_code":"short"}}"#,
        "27: channels.telegram.pairing_code: a pairing code has 8 to 64 characters and no blanks",
    );
    error_of(
        r#""channel_list":{"t":{"type":"telegarm"}}"#,
        "24: channel_list.t.type: no channel type is called `telegarm` (did you mean `telegram`?)",
    );
    error_of(
        r#""gateway":{"host":"http://x"}"#,
        "14: gateway.host: `http://x` is not an address (write 127.0.0.1, ::1 or a name, not a port or address with http)",
    );
    error_of(
        r#""tools":{"allow_read_paths":["("]}"#,
        "12: tools.allow_read_paths: `(` is not a regular expression: found open group without closing ')'",
    );
    error_of(
        r#""tools":{"exec":{"env":["A=B"]}}"#,
        "20: tools.exec.env: `A=B` is not the name of a variable (names only, no values)",
    );
}

#[test]
fn warnings() {
    warning_of(
        r#""gateway":{"prot":1}"#,
        "14: gateway.prot: unknown key, ignored (did you mean `port`?)",
    );
    warning_of(r#""agent":{}"#, "3: agent: unknown key, ignored (did you mean `agents`?)");
    warning_of(
        r#""channels":{"telegram":{"enabeld":true,"tokn":"x"}}"#,
        "27: channels.telegram.enabeld: unknown key, ignored (did you mean `enabled`?)\nhome/config.json:2:42: channels.telegram.tokn: unknown key, ignored (did you mean `token`?)",
    );
    warning(
        r#"{"model_list":[{"model_name":"m","model":"ollama/x","apiBase":"x"}]}"#,
        "home/config.json:1:53: model_list[0].apiBase: unknown key, ignored (did you mean `api_base`?)",
    );
    warning_of(r#""quite_unlike_any":1"#, "3: quite_unlike_any: unknown key, ignored");
    warning_of(
        r#""channels":{"discord":{"enabled":true,"anything":1}}"#,
        "15: channels.discord: channel type discord is not supported by this build, ignored",
    );
    warning_of(
        r#""tools":{"mcp":{"enabled":true}}"#,
        "12: tools.mcp: not supported by this build, ignored",
    );
    warning_of(
        r#""channels":{"telegram":{"enabled":true,"token":"abc"}}"#,
        "42: channels.telegram.token: telegram: this does not look like a bot token (they look like 123456789:AAbb...)",
    );
    warning_of(
        r#""session":{"dimensions":["chta"]}"#,
        "14: session.dimensions: unknown dimension `chta`, ignored (chat, topic, sender and space are known)",
    );
    warning_of(
        r#""agents":{"list":[{"id":"main","default":true,"skills":["a"],"model":"m"}]}"#,
        "13: agents.list: only `skills` of the default entry is used",
    );
    warning(
        &format!(
            r#"{{{MODEL},"agents":{{"list":[{{"id":"main","default":true,"skills":["a"]}}]}}}}"#
        ),
        "",
    );
    warning_of(
        r#""agents":{"dispatch":{"rules":[{"agent":"a"}]}}"#,
        "13: agents.dispatch: not supported by this build, ignored",
    );
    warning_of(
        r#""session":{"dm_scope":"main"}"#,
        "14: session.dm_scope: unknown scope, ignored (per-channel-peer, per-peer and global are known; better use dimensions)",
    );
    warning_of(
        r#""agents":{"defaults":{"model_fallbacks":["mm"]}}"#,
        "25: agents.defaults.model_fallbacks: no model is called `mm`; left out (did you mean `m`?)",
    );
    warning_of(
        r#""tools":{"web":{"fetch_limit_bytes":20000000}}"#,
        "19: tools.web.fetch_limit_bytes: lowered to 10485760",
    );
    warning_of(
        r#""tools":{"web":{"provider":"sogou"}}"#,
        "19: tools.web.provider: sogou is not supported by this build; auto is used",
    );
}

#[test]
fn files_that_are_no_files() {
    let folder = Folder::new().file("home/config.json/x", "x");
    assert_eq!(folder.errors(), "home/config.json: cannot read: it is a folder");
    let big = format!("{{\"_\":\"{}\"}}", "x".repeat(limits::CONFIG_BYTES as usize));
    error(&big, "home/config.json: cannot read: larger than 256 KiB");
    let mut folder = Folder::with(&format!("{{{MODEL}}}"));
    for i in 0..=limits::CONFIG_FILES {
        folder = folder.file(&format!("home/config.d/{i}.json"), "{}");
    }
    assert_eq!(folder.errors(), "home/config.d: more than 64 files");
    let folder = Folder::new().env("PICOCLAW_CONFIG", "/nowhere/c.json");
    assert_eq!(
        folder.errors(),
        "/nowhere/c.json: PICOCLAW_CONFIG names this file, and it is not there (`picoclaw onboard` writes one)"
    );
    let mut folder = Folder::new();
    folder.options.env.clear();
    assert_eq!(
        folder.errors(),
        "neither PICOCLAW_HOME nor HOME is set; set PICOCLAW_HOME to the folder for state and configuration"
    );
}

#[test]
fn tiny_files_are_empty() {
    let folder = Folder::with("{}\n").file("etc/config.json", format!("{{{MODEL}}}"));
    assert_eq!(folder.warnings(), "home/config.json: only 3 bytes: taken as empty");
    let broken = Folder::with("{\"a\":").errors();
    assert!(broken.starts_with("home/config.json:1:5: not JSON: EOF"), "{broken}");
    let mut folder = Folder::with("");
    folder.options.allow_empty = true;
    let empty = "the configuration file is empty (remove it, and `picoclaw onboard` writes one)";
    assert!(folder.warnings().contains(empty), "{}", folder.warnings());
    assert!(folder.warnings().contains("remove the empty file"), "{}", folder.warnings());
    let overlay = Folder::with(&format!("{{{MODEL}}}")).file("home/config.d/10-a.json", "{}\n");
    assert_eq!(overlay.warnings(), "");
    let mut folder = Folder::new();
    folder.options.allow_empty = true;
    assert_eq!(
        folder.warnings(),
        "no configuration file was found (`picoclaw onboard` writes one)\nmodel_list: no model is configured (`picoclaw onboard` writes an example)"
    );
    assert_eq!(folder.good().config.agent.max_tool_iterations, 20);
}

#[test]
fn at_most_twenty_errors_are_listed() {
    let many: Vec<String> =
        (0..25).map(|i| format!("{{\"model_name\":{i},\"model\":\"x\"}}")).collect();
    let folder = Folder::with(&format!("{{\"model_list\":[{}]}}", many.join(",")));
    let errors = folder.load().unwrap_err();
    assert_eq!(errors.problems.len(), limits::CONFIG_PROBLEMS);
    assert!(errors.more > 0 && errors.to_string().ends_with("more"), "{errors}");
}

#[test]
fn no_secret_stands_in_an_error() {
    let text = r#"{"model_list":[{"model_name":"m","model":"openai/x","api_keys":[{"k":"sk-very-secret"}],"api_base":"x"}],"channels":{"telegram":{"token":["sk-very-secret"],"enabled":true}}}"#;
    let errors = Folder::with(text).errors();
    assert!(!errors.contains("very-secret"), "{errors}");
}

/// One model with a key of its own.
#[track_caller]
fn provider_warning(model: &str, more: &str, want: &str) {
    let model = format!(
        r#"{{"model_list":[{{"model_name":"m","model":"{model}","api_keys":["k"]{more}}}]}}"#
    );
    warning(&model, want);
}

#[test]
fn a_provider_that_is_mistyped_in_the_model_is_told() {
    provider_warning(
        "opnrouter/auto",
        "",
        "home/config.json:1:34: model_list[0].model: no provider is called `opnrouter`; openai gets the key (did you mean `openrouter`?)",
    );
    for model in ["openrouter/auto", "OpenRouter/a/b", "gpt-4o", "openai/x"] {
        provider_warning(model, "", "");
    }
    for model in ["meta-llama/Llama-3", "Qwen/Qwen3", "mistralai/x", "opnrouter/auto"] {
        provider_warning(model, r#","api_base":"http://h/v1""#, "");
        provider_warning(model, r#","provider":"openrouter""#, "");
    }
}

#[test]
#[cfg(feature = "hooks")]
fn hooks_of_the_original_are_told() {
    warning_of(
        r#""hooks":{"builtins":{"x":{"enabled":true}}}"#,
        "12: hooks.builtins: not supported by this build, ignored",
    );
}

#[test]
#[cfg(feature = "doctor")]
fn names_in_lists_that_stand_for_nothing_are_told() {
    warning_of(
        r#""tools":{"unattended":["exce"]}"#,
        "12: tools.unattended: no tool is called `exce` (did you mean `exec`?)",
    );
    warning_of(
        r#""agents":{"defaults":{"turn_profile":{"enabled":true,"tools":{"mode":"custom","allow":["raed_file"]}}}}"#,
        "81: agents.defaults.turn_profile.tools.allow: no tool is called `raed_file` (did you mean `read_file`?)",
    );
    warning_of(
        r#""ignore_unsupported":["isolaton","hooks"]"#,
        "3: ignore_unsupported: no unsupported setting is called `isolaton` (did you mean `isolation`?)",
    );
}
