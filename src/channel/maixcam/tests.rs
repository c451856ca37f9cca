use super::*;
use crate::config::Settings as AnySettings;

#[track_caller]
fn check(event: &str, want: &str) {
    let event = serde_json::from_str(event).expect("JSON");
    assert_eq!(text(&event, 0), format!("📷 Person detected!\n{want}"));
}

#[test]
fn events_are_told_as_upstream_does() {
    check(
        r#"{"data":{"class_name":"cat","score":0.87654,"x":10.6,"y":-3,"w":100,"h":50}}"#,
        "Class: cat\nConfidence: 87.65%\nPosition: (11, -3)\nSize: 100x50",
    );
    let nothing = "Class: person\nConfidence: 0.00%\nPosition: (0, 0)\nSize: 0x0";
    for event in ["{}", r#"{"data":[]}"#, r#"{"data":{"class_name":"","score":"x","x":null}}"#] {
        check(event, nothing);
    }
    check(
        r#"{"data":{"class_name":"a\n\u202eb","score":-0.00505,"w":1e300}}"#,
        "Class: a b\nConfidence: -0.50%\nPosition: (0, 0)\nSize: 9223372036854775807x0",
    );
    let long = serde_json::json!({ "data": { "class_name": "x".repeat(500) } });
    assert!(text(&long, 3).contains(&format!("{}\n", "x".repeat(limits::CAMERA_CLASS))));
    assert!(text(&long, 3).ends_with("(3 more before it while you were busy)"));
}

#[test]
fn token_is_required_by_address() {
    let asks = |token: &str, listed: &[&str], from: &str| {
        let settings = Settings {
            token: crate::config::Secret::new(token),
            allow_addr: listed.iter().map(|a| (*a).to_owned()).collect(),
            ..Settings::default()
        };
        let from = SocketAddr::new(from.parse().expect("an address"), 5);
        let config = ChannelConfig::of("maixcam", AnySettings::MaixCam(settings.clone()));
        let shared = Shared {
            client: crate::net::http::HttpClient::new().expect("a client"),
            paired: Default::default(),
        };
        MaixCam::build(&config, &settings, &shared).asks(from)
    };
    let (here, near, mapped) = ("127.0.0.1", "192.168.1.20", "::ffff:192.168.1.20");
    assert_eq!(asks("", &[], here), Some(false));
    assert_eq!(asks("", &[], "::1"), Some(false));
    for from in [near, mapped, "0.0.0.0", "fe80::1"] {
        assert_eq!(asks("", &[], from), None, "{from}");
        assert_eq!(asks("t", &[], from), Some(true), "{from}");
    }
    assert_eq!(asks("t", &[], here), Some(true));
    for listed in [near, "192.168.1.0/24"] {
        assert_eq!(asks("", &[listed], near), Some(false));
        assert_eq!(asks("t", &[listed], mapped), Some(false));
        assert_eq!(asks("", &[listed], "192.168.2.20"), None);
        assert_eq!(asks("t", &[listed], here), Some(true));
    }
}
