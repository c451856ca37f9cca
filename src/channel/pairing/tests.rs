use super::*;

const RANDOM: Entropy = [0, 33, 66, 99, 132, 165, 198, 231];
const CODE: &str = "23456789";

fn machine() -> (Pairing, Paired) {
    (Pairing::new("telegram", Secret::default()), Paired::default())
}

#[test]
fn a_stranger_is_told_once_and_the_code_is_new_once() {
    let (mut pairing, paired) = machine();
    assert_eq!(pairing.code_for_status(0), None);
    assert_eq!(pairing.renew(0, &paired, RANDOM).as_deref(), Some(CODE));
    assert_eq!(pairing.renew(5, &paired, [9; 8]), None);
    assert_eq!(pairing.on_message("1", 0), StrangerReply::Tell);
    assert_eq!(pairing.on_message("1", 9999), StrangerReply::Ignored);
    assert_eq!(pairing.on_message("2", 1), StrangerReply::Tell);
}

#[test]
fn the_code_pairs_one_user() {
    let (mut pairing, mut paired) = machine();
    let _ = pairing.renew(0, &paired, RANDOM);
    assert_eq!(pairing.attempt("1", " 23456789 ", 1, &mut paired), PairingResult::Paired);
    assert!(paired.contains("telegram", "1"));
    assert!(!paired.contains("other", "1"));
    assert_eq!(pairing.code_for_status(1), None);
    assert_eq!(pairing.attempt("2", CODE, 1, &mut paired), PairingResult::Wrong(4));
}

#[test]
fn letters_match_in_either_case() {
    let (mut pairing, mut paired) = machine();
    let code = pairing.renew(0, &paired, [31, 30, 29, 28, 27, 26, 25, 24]);
    assert_eq!(code.as_deref(), Some("ZYXWVUTS"));
    assert_eq!(pairing.attempt("1", "zyxwvuts", 1, &mut paired), PairingResult::Paired);
}

#[test]
fn a_code_lives_fifteen_minutes() {
    let (mut pairing, mut paired) = machine();
    let _ = pairing.renew(100, &paired, RANDOM);
    assert_eq!(pairing.code_for_status(999), Some((CODE.to_string(), 1)));
    assert_eq!(pairing.code_for_status(1000), None);
    assert_eq!(pairing.attempt("1", CODE, 1000, &mut paired), PairingResult::Wrong(4));
    assert!(pairing.renew(1000, &paired, [1; 8]).is_some());
}

#[test]
fn five_wrong_tries_are_answered_and_the_right_code_still_counts() {
    let (mut pairing, mut paired) = machine();
    let _ = pairing.renew(0, &paired, RANDOM);
    for left in [4, 3, 2, 1] {
        assert_eq!(pairing.attempt("1", "nope", 0, &mut paired), PairingResult::Wrong(left));
    }
    assert_eq!(pairing.attempt("1", "nope", 0, &mut paired), PairingResult::Last);
    assert_eq!(pairing.attempt("1", "nope", 1, &mut paired), PairingResult::Refused);
    assert_eq!(pairing.attempt("1", CODE, 2, &mut paired), PairingResult::Paired);
}

/// It may be short of chance: there a sender has five tries an hour, and others' tries are not his.
#[test]
fn a_chosen_code_is_guessed_five_times_an_hour_by_each_sender() {
    let mut paired = Paired::default();
    let mut pairing = Pairing::new("telegram", Secret::new("MyOwnCode"));
    for _ in 0..5 {
        pairing.attempt("1", "nope", 0, &mut paired);
    }
    assert_eq!(pairing.attempt("1", "MyOwnCode", HOUR - 1, &mut paired), PairingResult::Refused);
    assert_eq!(pairing.attempt("2", "nope", HOUR - 1, &mut paired), PairingResult::Wrong(4));
    assert_eq!(pairing.attempt("1", "MyOwnCode", HOUR, &mut paired), PairingResult::Paired);
    assert_eq!(pairing.attempt("2", "MyOwnCode", HOUR, &mut paired), PairingResult::Wrong(3));
}

#[test]
fn strangers_in_any_number_keep_nobody_out() {
    let (mut pairing, mut paired) = machine();
    for n in 0..1000u64 {
        assert_eq!(pairing.on_message(&n.to_string(), n), StrangerReply::Tell);
        for _ in 0..6 {
            pairing.attempt(&n.to_string(), "nope", n, &mut paired);
        }
        assert!(pairing.strangers.len() <= limits::PAIRING_STRANGERS);
    }
    let _ = pairing.renew(1000, &paired, RANDOM);
    assert_eq!(pairing.on_message("owner", 1000), StrangerReply::Tell);
    assert_eq!(pairing.attempt("owner", "typo", 1000, &mut paired), PairingResult::Wrong(4));
    assert_eq!(pairing.attempt("owner", CODE, 1000, &mut paired), PairingResult::Paired);
}

/// At the limit and one above it: the one who was silent the longest is forgotten, and told once more when he writes again.
#[test]
fn sixty_four_strangers_are_remembered() {
    let (mut pairing, _) = machine();
    for n in 0..64 {
        assert_eq!(pairing.on_message(&n.to_string(), n), StrangerReply::Tell);
    }
    assert_eq!(pairing.on_message("0", 64), StrangerReply::Ignored);
    assert_eq!(pairing.on_message("64", 65), StrangerReply::Tell);
    assert_eq!(pairing.on_message("0", 66), StrangerReply::Ignored);
    assert_eq!(pairing.on_message("1", 67), StrangerReply::Tell);
    assert_eq!(pairing.strangers.len(), limits::PAIRING_STRANGERS);
}

#[test]
fn the_owners_code_is_used_once_and_never_shown() {
    let mut paired = Paired::default();
    let owner = || Pairing::new("telegram", Secret::new("MyOwn"));
    let mut pairing = owner();
    assert_eq!(pairing.renew(0, &paired, RANDOM), None);
    assert_eq!(pairing.code_for_status(0), None);
    assert_eq!(pairing.attempt("1", "myown", 0, &mut paired), PairingResult::Wrong(4));
    assert_eq!(pairing.attempt("1", "MyOwn", 0, &mut paired), PairingResult::Paired);
    // After a restart as well; from now on codes are made.
    let mut paired = Paired::parse(&paired.to_json()).expect("what was written");
    let mut pairing = owner();
    assert_eq!(pairing.attempt("2", "MyOwn", 0, &mut paired), PairingResult::Wrong(4));
    assert_eq!(pairing.renew(0, &paired, RANDOM).as_deref(), Some(CODE));
    assert_eq!(Pairing::new("x", Secret::new("New")).renew(0, &paired, RANDOM), None);
}
