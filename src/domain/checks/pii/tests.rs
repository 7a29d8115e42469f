use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::{
    checks::testing::{asked_of, with_items},
    matter::Matter,
};

fn of(kind: PiiKind, text: &str, field: Option<&str>) -> Vec<String> {
    let hits = hits(text, field, &Settings::default(), &[kind]);
    hits.into_iter().map(|(_, hit)| hit.masked).collect()
}

#[rstest]
#[case("ann.miller@example.com", "a***@***.com")]
#[case("a@example.com", "***@***.com")]
#[case("write to <bob+x@mail.example.co.uk>, please", "b***@***.uk")]
#[case("mailto:carol%40example.org", "c***@***.org")]
#[case("jörg@bücher.example", "j***@***.***")]
#[case("ann＠example．com", "a***@***.com")]
#[case("ann\u{200b}@example.com", "a***@***.com")]
fn addresses_are_found(#[case] text: &str, #[case] masked: &str) {
    assert_eq!(of(PiiKind::Email, text, None), [masked]);
}

#[rstest]
#[case("@example.com")]
#[case("ann@localhost")]
#[case("ann@")]
#[case("5 items @ 3.50")]
#[case("ann @ example.com")]
#[case("x@-.-")]
#[case("a@b..c")]
fn near_misses_are_no_addresses(#[case] text: &str) {
    assert_eq!(of(PiiKind::Email, text, None), [""; 0]);
}

#[rstest]
#[case("+49 30 901820", "+49 *** **20")]
#[case("call (+1) 650-253-0000 now", "+16 *** **00")]
#[case("+16502530000", "+16 *** **00")]
#[case("0044 20 7946 0958", "*** **58")]
#[case("tel: 030 901820", "*** **20")]
fn telephone_numbers_are_found(#[case] text: &str, #[case] masked: &str) {
    assert_eq!(of(PiiKind::Phone, text, None), [masked]);
}

#[rstest]
#[case("030 901820")]
#[case("+49 30")]
#[case("+999 123456789")]
#[case("invoice 4711 of 2026-11-22")]
#[case("+1234567890123456")]
#[case("12,500.00 EUR")]
#[case("A+49301234567x")]
fn near_misses_are_no_telephone_numbers(#[case] text: &str) {
    assert_eq!(of(PiiKind::Phone, text, None), [""; 0]);
}

#[test]
fn a_field_that_says_phone_holds_one() {
    assert_eq!(
        of(PiiKind::Phone, "030 901820", Some("mobile_phone")),
        ["*** **20"]
    );
    assert_eq!(of(PiiKind::Phone, "12", Some("phone")), [""; 0]);
}

#[rstest]
#[case("DE89 3704 0044 0532 0130 00", "DE** **** **00")]
#[case("de89370400440532013000", "DE** **** **00")]
#[case("IBANDE89370400440532013000.", "DE** **** **00")]
#[case("pay NL91 ABNA 0417 1643 00 today", "NL** **** **00")]
#[case("GB82-WEST-1234-5698-7654-32", "GB** **** **32")]
#[case("NO9386011117947", "NO** **** **47")]
fn ibans_are_found(#[case] text: &str, #[case] masked: &str) {
    assert_eq!(of(PiiKind::Iban, text, None), [masked]);
}

#[rstest]
#[case("DE88 3704 0044 0532 0130 00")]
#[case("DE89 3704 0044 0532 0130")]
#[case("ZZ89 3704 0044 0532 0130 00")]
#[case("XDE89370400440532013000")]
#[case("AB12 is a shelf")]
fn near_misses_are_no_ibans(#[case] text: &str) {
    assert_eq!(of(PiiKind::Iban, text, None), [""; 0]);
}

#[rstest]
#[case("4242 4242 4242 4242", "**** 4242")]
#[case("card: 5555555555554444, thanks", "**** 4444")]
#[case("3782 822463 10005", "**** 0005")]
#[case("6011-1111-1111-1117", "**** 1117")]
#[case("4222222222222", "**** 2222")]
#[case("30569309025904", "**** 5904")]
fn cards_are_found(#[case] text: &str, #[case] masked: &str) {
    assert_eq!(of(PiiKind::Card, text, None), [masked]);
}

#[rstest]
#[case("4242 4242 4242 4241")]
#[case("9242424242424242")]
#[case("0000 0000 0000 0000")]
#[case("42424242424242424242")]
#[case("a4242424242424242")]
#[case("4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2")]
fn near_misses_are_no_cards(#[case] text: &str) {
    assert_eq!(of(PiiKind::Card, text, None), [""; 0]);
}

#[rstest]
#[case("Steuer-ID 86095742719", "86095742718")]
#[case("86 095 742 719", "86 095 742 718")]
#[case("BSN 111222333", "111222334")]
#[case("12345678Z", "12345678A")]
#[case("X1234567L", "X1234567M")]
#[case("RSSMRA85T10A562S", "RSSMRA85T10A562T")]
#[case("2 55 08 14 168 025 38", "2 55 08 14 168 025 39")]
#[case("PESEL 44051401359", "44051401358")]
#[case("85.07.30-033.28", "85.07.30-033.29")]
#[case("NHS 943 476 5919", "943 476 5918")]
#[case("AB 12 34 56 C", "QQ 12 34 56 C")]
#[case("123-45-6789", "000-45-6789")]
#[case("756.9217.0769.85", "756.9217.0769.84")]
#[case("SVNR 1237 010180", "1238 010180")]
#[case("NIF 123456789", "123456788")]
#[case("811218-9876", "811218-9875")]
#[case("131052-308T", "131052-308U")]
#[case("01010750160", "01010750161")]
#[case("CPR 010190-1234", "320190-1234")]
#[case("PPS 1234567T", "1234567U")]
#[case("529.982.247-25", "529.982.247-26")]
#[case("SIN 046 454 286", "046 454 287")]
#[case("Aadhaar 2341 2341 2346", "2341 2341 2347")]
#[case("11010519491231002X", "110105194912310021")]
fn national_ids_are_found_by_their_check_digits(#[case] valid: &str, #[case] near: &str) {
    let found = of(PiiKind::NationalId, valid, None);
    assert_eq!(found.len(), 1, "{valid}: {found:?}");
    // The near miss has the same words beside it.
    let words: String = valid
        .split(|c: char| c.is_ascii_digit())
        .next()
        .unwrap_or_default()
        .into();
    let near = if near.starts_with(|c: char| c.is_ascii_digit()) && words.len() > 2 {
        format!("{words}{near}")
    } else {
        near.into()
    };
    assert_eq!(of(PiiKind::NationalId, &near, None), [""; 0], "{near}");
}

#[test]
fn plain_digits_need_a_word_beside_them() {
    for (text, field) in [
        ("111222333", "bsn"),
        ("123456789", "customer_ssn"),
        ("9434765919", "nhs_number"),
    ] {
        assert_eq!(of(PiiKind::NationalId, text, None), [""; 0], "{text}");
        assert_eq!(of(PiiKind::NationalId, text, Some(field)).len(), 1, "{text}");
    }
    let only = Settings {
        countries: vec!["nl".into()],
        ..Settings::default()
    };
    assert_eq!(hits("123-45-6789", None, &only, &KINDS).len(), 0);
}

#[test]
fn a_number_of_one_kind_is_not_reported_as_another() {
    let found = hits(
        "IBAN DE89 3704 0044 0532 0130 00",
        None,
        &Settings::default(),
        &KINDS,
    );
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn hostile_texts_end() {
    for unit in [
        "4",
        "@",
        "a.a.a.",
        "a@b.c",
        "DE89 ",
        "DE89",
        "+1 ",
        "+",
        "4242 ",
        "1 ",
        "12-",
        "0",
        "%40",
        "(((",
        "123-45-6789 ",
    ] {
        let text = unit.repeat((256 << 10) / unit.len());
        let _ = hits(&text, Some("phone"), &Settings::default(), &KINDS);
    }
}

#[test]
fn what_a_target_says_it_would_do_is_looked_at_too() {
    let said = serde_json::json!({ "item": "1", "at": "2026-11-22T10:00:00Z", "status": 200, "said": {
        "would": { "write to": "ann@example.com" },
    } });
    let dry_runs = [serde_json::from_value(said).unwrap()];
    let settings = crate::domain::checks::Settings::default();
    let found = with_items(vec![serde_json::json!({})], |matter| {
        let matter = Matter {
            dry_runs: &dry_runs,
            ..*matter
        };
        check(&asked_of(&matter, &settings))
    });
    let places: Vec<(&str, Level)> = found.iter().map(|one| (one.at.as_str(), one.level)).collect();
    assert_eq!(places, [("/dry_runs/1/said/would/write to", Level::Deny)]);
}

/// How many letters and digits of a text a masked form shows at most.
const SHOWN: usize = 8;

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,200}", field in "\\PC{0,20}") {
        let _ = hits(&text, Some(&field), &Settings::default(), &KINDS);
    }

    #[test]
    fn random_digits_never_panic(text in "[0-9A-Z+@. /()-]{0,80}") {
        let _ = hits(&text, Some("ssn"), &Settings::default(), &KINDS);
    }

    /// Whatever is found, hardly any of it is shown again.
    #[test]
    fn masking_reveals_only_a_shape(
        local in "[a-z]{1,20}", domain in "[a-z]{3,20}", top in "[a-z]{2,12}", digits in "[1-9][0-9]{7,12}",
    ) {
        let text = format!("{local}@{domain}.{top} and +49{digits} and 4242 4242 4242 4242");
        for (_, hit) in hits(&text, None, &Settings::default(), &KINDS) {
            let shown = hit.masked.chars().filter(char::is_ascii_alphanumeric).count();
            prop_assert!(shown <= SHOWN, "{}", hit.masked);
            prop_assert!(!hit.masked.contains(&domain) && !hit.masked.contains(&digits));
        }
    }
}
