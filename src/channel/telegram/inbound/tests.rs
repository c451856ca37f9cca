use super::*;
use crate::channel::command_of;
use crate::proto::json::TypeMismatch;

fn me() -> BotUser {
    BotUser { id: 9, username: "pico_bot".into() }
}

fn read(update: &str, rule: &GroupTrigger) -> TelegramEvent {
    let mismatch = TypeMismatch::default();
    let json = Json::parse(update, &mismatch).expect("JSON");
    super::update(json, "telegram", &me(), rule).expect("an update").1
}

fn private(fields: &str) -> TelegramEvent {
    let rule = GroupTrigger::default();
    read(
        &format!(
            r#"{{"update_id":1,"message":{{"message_id":2,"date":3,"chat":{{"id":5,"type":"private"}},
            "from":{{"id":5,"first_name":"Ann","username":"ann"}},{fields}}}}}"#
        ),
        &rule,
    )
}

fn grouped(rule: &GroupTrigger, fields: &str) -> TelegramEvent {
    read(
        &format!(
            r#"{{"update_id":1,"message":{{"message_id":2,"chat":{{"id":-7,"type":"supergroup"}},
            "from":{{"id":5}},{fields}}}}}"#
        ),
        rule,
    )
}

fn text_of(event: TelegramEvent) -> Option<String> {
    match event {
        TelegramEvent::Message(inbound) => Some(inbound.text),
        _ => None,
    }
}

#[track_caller]
fn check(fields: &str, want: Option<&str>) {
    assert_eq!(text_of(private(fields)).as_deref(), want);
}

#[test]
fn a_message_in_full() {
    let TelegramEvent::Message(got) = private(r#""text":" hi ""#) else { panic!("no message") };
    assert_eq!((got.event, got.message, got.date, got.group), (1, 2, 3, false));
    assert_eq!(
        got.from,
        Address { channel: "telegram".into(), chat: "5".into(), topic: String::new() }
    );
    assert_eq!((got.sender.id.as_str(), got.sender.username.as_str()), ("5", "ann"));
    assert_eq!((got.sender.name.as_str(), got.text.as_str()), ("Ann", "hi"));
}

#[test]
fn contents() {
    check(r#""text":"hi""#, Some("hi"));
    check(r#""text":"  ""#, None);
    check(
        r#""caption":"look","photo":[{"file_id":"s"},{"file_id":"l"}]"#,
        Some("look\n[image: photo]"),
    );
    check(r#""document":{"file_id":"d","file_name":"a].pdf"}"#, Some("[file: a.pdf]"));
    check(r#""voice":{"file_id":"v"}"#, Some("[voice]"));
    check(r#""video_note":{"file_id":"v"}"#, Some("[video]"));
    check(r#""animation":{"file_id":"v"},"document":{"file_id":"v"}"#, Some("[video]"));
    check(
        r#""location":{"latitude":52.5,"longitude":13}"#,
        Some("[location: 52.500000, 13.000000]"),
    );
    check(r#""contact":{"first_name":"Bo","phone_number":"+1"}"#, Some("[contact: Bo, +1]"));
    check(r#""sticker":{"emoji":"😀"}"#, Some("[sticker 😀]"));
    check(r#""poll":{"question":"x?"}"#, Some("[poll: x?]"));
    check(r#""new_chat_title":"x""#, None);
    check(r#""story":{"id":1}"#, None);
    check(r#""text":"a\u202eb""#, Some("ab"));
}

#[test]
fn attachments_name_the_largest_photo() {
    let photo = r#""photo":[{"file_id":"s","file_size":1},{"file_id":"l","file_size":9}]"#;
    let TelegramEvent::Message(got) = private(photo) else { panic!("no message") };
    assert_eq!(got.attachments.len(), 1);
    assert_eq!((got.attachments[0].id.as_str(), got.attachments[0].size), ("l", 9));
    assert_eq!(got.attachments[0].kind, "photo");
}

#[test]
fn quotes_and_forwards() {
    check(
        r#""text":"yes","reply_to_message":{"from":{"id":9,"first_name":"Pico"},"text":"Sure?"}"#,
        Some("[quoted assistant message from Pico]: Sure?\nyes"),
    );
    check(
        r#""text":"why","quote":{"text":"part"},"reply_to_message":{"from":{"id":6},"text":"all"}"#,
        Some("[quoted user message from somebody]: part\nwhy"),
    );
    check(
        r#""text":"news","forward_origin":{"type":"hidden_user","sender_user_name":"X ]Y"}"#,
        Some("[forwarded from X Y]\nnews"),
    );
    check(r#""text":"/stop","reply_to_message":{"from":{"id":9},"text":"x"}"#, Some("/stop"));
    check(r#""text":"t","reply_to_message":{"from":{"id":6},"forum_topic_created":{}}"#, Some("t"));
}

#[test]
fn text_of_others_is_marked_and_gives_no_commands() {
    let heard = |fields: &str| match private(fields) {
        TelegramEvent::Message(inbound) => (inbound.untrusted, command_of(&inbound).is_some()),
        other => panic!("{other:?}"),
    };
    let origin = r#""forward_origin":{"type":"hidden_user","sender_user_name":"X"}"#;
    assert_eq!(heard(r#""text":"/clear""#), (false, true));
    assert_eq!(heard(r#""caption":"/stop","photo":[{"file_id":"p"}]"#), (false, true));
    for fields in [
        &*format!(r#""text":"/clear",{origin}"#),
        &format!(r#""text":"!stop",{origin}"#),
        &format!(r#""caption":"/switch model to x","photo":[{{"file_id":"p"}}],{origin}"#),
        r#""text":"/clear","via_bot":{"id":8,"is_bot":true}"#,
        r#""text":"look","reply_to_message":{"from":{"id":7},"text":"x"}"#,
        r#""contact":{"first_name":"/clear","phone_number":"1"}"#,
        r#""poll":{"question":"/stop"}"#,
    ] {
        assert_eq!(heard(fields), (true, false), "{fields}");
    }
    // A command comes without what it quotes, and our own words are no others'.
    let reply = |text: &str, from: i64| {
        heard(&format!(
            r#""text":"{text}","reply_to_message":{{"from":{{"id":{from}}},"text":"x"}}"#
        ))
    };
    assert_eq!(reply("/clear", 7), (false, true));
    assert_eq!(reply("look", 9), (false, false));
}

#[track_caller]
fn edited(fields: &str, want: Option<&str>) {
    let update = format!(
        r#"{{"update_id":1,"edited_message":{{"message_id":2,"date":100,"chat":{{"id":5,"type":"private"}},
        "from":{{"id":5}},{fields}}}}}"#
    );
    assert_eq!(text_of(read(&update, &GroupTrigger::default())).as_deref(), want);
}

#[test]
fn edits() {
    edited(r#""edit_date":160,"text":"b""#, Some("[edited, replaces message 2]\nb"));
    edited(r#""edit_date":172901,"text":"b""#, None);
    edited(r#""edit_date":160,"text":"/clear""#, None);
    edited(r#""edit_date":160,"location":{"latitude":1,"longitude":2}"#, None);
}

#[track_caller]
fn in_group(rule: &GroupTrigger, fields: &str, want: Option<&str>) {
    assert_eq!(text_of(grouped(rule, fields)).as_deref(), want);
}

#[test]
fn addresses_behind_words_are_part_of_the_text() {
    let fields = r#""text":"Read the article now","entities":[{"type":"text_link","offset":9,"length":7,"url":"https://e.org/p"}]"#;
    let text = text_of(grouped(&GroupTrigger::default(), fields));
    assert_eq!(text.as_deref(), Some("Read the article (https://e.org/p) now"));
}

#[test]
fn groups() {
    let all = GroupTrigger::default();
    let only = GroupTrigger { mention_only: true, prefixes: Vec::new() };
    let mention =
        r#""text":"@Pico_Bot do it","entities":[{"type":"mention","offset":0,"length":9}]"#;
    in_group(&all, r#""text":"x""#, Some("x"));
    in_group(&only, r#""text":"x""#, None);
    in_group(&only, mention, Some("do it"));
    in_group(
        &only,
        r#""text":"😀 hey @pico_bot","entities":[{"type":"mention","offset":7,"length":9}]"#,
        Some("😀 hey"),
    );
    in_group(
        &only,
        r#""text":"@pico_bot","entities":[{"type":"mention","offset":0,"length":9}]"#,
        Some("@pico_bot"),
    );
    in_group(&only, r#""text":"@x y","entities":[{"type":"mention","offset":0,"length":2}]"#, None);
    in_group(
        &only,
        r#""text":"P do","entities":[{"type":"text_mention","offset":0,"length":1,"user":{"id":9}}]"#,
        Some("do"),
    );
    in_group(
        &only,
        r#""text":"go","reply_to_message":{"from":{"id":9},"text":"a"}"#,
        Some("[quoted assistant message from somebody]: a\ngo"),
    );
    in_group(
        &only,
        r#""text":"go","reply_to_message":{"from":{"id":9},"forum_topic_created":{}}"#,
        None,
    );
    in_group(
        &only,
        r#""caption":"@pico_bot","photo":[{"file_id":"x"}],"caption_entities":[{"type":"mention","offset":0,"length":9}]"#,
        Some("[image: photo]"),
    );
}

#[test]
fn commands_in_groups() {
    let only = GroupTrigger { mention_only: true, prefixes: Vec::new() };
    let command = |text: &str| {
        format!(
            r#""text":"{text}","entities":[{{"type":"bot_command","offset":0,"length":{}}}]"#,
            text.split(' ').next().map_or(0, str::len)
        )
    };
    in_group(&only, &command("/clear"), Some("/clear"));
    in_group(&only, &command("/clear@pico_bot"), Some("/clear"));
    in_group(&only, &command("/show@PICO_bot model"), Some("/show model"));
    in_group(&only, &command("/clear@other_bot"), None);
    check(&command("/clear@other_bot"), None);
}

#[test]
fn topics_migrations_buttons_and_the_rest() {
    let all = GroupTrigger::default();
    let topic = grouped(&all, r#""text":"x","message_thread_id":4,"is_topic_message":true"#);
    assert!(matches!(topic, TelegramEvent::Message(m) if m.from.topic == "4" && m.group));
    let thread = grouped(&all, r#""text":"x","message_thread_id":4"#);
    assert!(matches!(thread, TelegramEvent::Message(m) if m.from.topic.is_empty()));
    assert_eq!(grouped(&all, r#""migrate_to_chat_id":-100"#), TelegramEvent::Migrated(-7, -100));
    assert_eq!(grouped(&all, r#""migrate_from_chat_id":-3"#), TelegramEvent::Migrated(-3, -7));
    let button = r#"{"update_id":1,"callback_query":{"id":"77","data":"x","from":{"id":5},"message":{"chat":{"id":-9}}}}"#;
    let press = ButtonPress { id: "77".into(), user: 5, chat: -9, message: 0, data: "x".into() };
    assert_eq!(read(button, &all), TelegramEvent::Button(press));
    let button = r#"{"update_id":1,"callback_query":{"id":"77"}}"#;
    assert_eq!(
        read(button, &all),
        TelegramEvent::Button(ButtonPress { id: "77".into(), ..ButtonPress::default() })
    );
    assert_eq!(read(r#"{"update_id":1,"poll_answer":{}}"#, &all), TelegramEvent::Nothing);
    let post = r#"{"update_id":1,"message":{"chat":{"id":-1,"type":"channel"},"text":"x","from":{"id":1}}}"#;
    assert_eq!(read(post, &all), TelegramEvent::Nothing);
    let bot = r#"{"update_id":1,"message":{"chat":{"id":-1,"type":"group"},"text":"x","from":{"id":1,"is_bot":true}}}"#;
    assert_eq!(read(bot, &all), TelegramEvent::Nothing);
    let admin = r#"{"update_id":1,"message":{"chat":{"id":-1,"type":"group"},"text":"x","sender_chat":{"id":-1},"from":{"id":1,"is_bot":true}}}"#;
    assert!(matches!(read(admin, &all), TelegramEvent::Message(m) if m.sender.id == "-1"));
}

#[test]
fn unknown_missing_and_mismatched_fields() {
    let read = |text: &str| {
        let mismatch = TypeMismatch::default();
        let json = Json::parse(text, &mismatch).expect("JSON");
        super::update(json, "telegram", &me(), &GroupTrigger::default())
            .map(|(id, event)| (id, text_of(event)))
    };
    let message = |fields: &str| {
        read(&format!(
            r#"{{"update_id":2,"message":{{"new":1,"chat":{{"id":5,"type":"private"}},"from":{{"id":5}},{fields}}}}}"#
        ))
    };
    assert_eq!(read(r#"{"update_id":1,"boost":{"x":[1]}}"#), Some((1, None)));
    assert_eq!(message(r#""text":"a\nb""#), Some((2, Some("a\nb".into()))));
    assert_eq!(message(r#""text":null,"caption":"c""#), Some((2, Some("c".into()))));
    for mismatch in [
        "7",
        "\"x\"",
        "[]",
        "null",
        r#"{"message":null}"#,
        r#"{"update_id":"2"}"#,
        r#"{"update_id":2,"message":"x"}"#,
    ] {
        assert_eq!(read(mismatch), None, "{mismatch}");
    }
    for mismatch in [
        r#""text":7"#,
        r#""text":"x","reply_to_message":[]"#,
        r#""photo":{}"#,
        r#""text":"x","date":"x""#,
        r#""text":"a\ud800""#,
    ] {
        assert_eq!(message(mismatch), None, "{mismatch}");
    }
}

#[test]
fn degrees_have_six_digits() {
    check(
        r#""location":{"latitude":-0.0000005,"longitude":-122.41941555}"#,
        Some("[location: -0.000001, -122.419416]"),
    );
    check(
        r#""location":{"latitude":1e-7,"longitude":179.9999999}"#,
        Some("[location: 0.000000, 180.000000]"),
    );
}
