use rstest::rstest;
use serde_json::json;

use super::*;
use crate::domain::checks::testing::{asked_of, with_items};

fn settings() -> Settings {
    Settings {
        texts: vec!["/subject".into(), "/body".into()],
        forbidden: vec![Forbidden::new(
            "guaranteed returns".into(),
            Some("historical returns".into()),
        )],
        required: vec!["Acme Ltd".into()],
        links: Some(vec!["acme.example".into(), "xn--bcher-kva.example".into()]),
        unsubscribe: Some(Unsubscribe {
            param: "/body".into(),
            words: vec!["unsubscribe".into(), "abmelden".into()],
        }),
        senders: Some(Senders {
            params: vec!["/from".into()],
            allow: vec!["Acme".into()],
        }),
        warn: false,
    }
}

fn found(params: Value) -> Vec<String> {
    with_items(vec![params], |matter| {
        let all = crate::domain::checks::Settings {
            brand: Some(settings()),
            ..Default::default()
        };
        check(&asked_of(matter, &all))
            .into_iter()
            .map(|problem| format!("{} {}", problem.at, problem.found))
            .collect()
    })
}

fn body(text: &str) -> Vec<String> {
    found(json!({"from": "Acme", "subject": "Acme Ltd", "body": format!("{text} unsubscribe")}))
}

#[test]
fn a_letter_as_it_should_be_passes() {
    assert_eq!(
        body(
            "See https://www.acme.example/spring, http://acme.example. and <a href=\"//shop.acme.example/x\">here</a> or https://bücher.example!"
        ),
        [""; 0]
    );
}

#[rstest]
#[case("Guaranteed  RETURNS!", true)]
#[case("guarаnteed returns", true)] // Cyrillic
#[case("ｇuaranteed returns", true)] // full width
#[case("guaran\u{200b}teed returns", true)]
#[case("unguaranteed returns", false)]
#[case("guaranteed returnsx", false)]
#[case("guaranteed: returns", false)]
fn forbidden_wording_is_found_by_its_look(#[case] text: &str, #[case] is_found: bool) {
    let found = body(text);
    assert_eq!(!found.is_empty(), is_found, "{found:?}");
}

#[rstest]
#[case("https://evil.example")]
#[case("HTTPS://EVIL.EXAMPLE")]
#[case("https://acme.example.evil.example/")]
#[case("https://evilacme.example/")]
#[case("https://acme.example@evil.example/")]
#[case("https://evil.example\\@acme.example/")]
#[case("https://аcme.example")]
#[case("https://acme。example.evil.example")]
#[case("www.evil.example")]
#[case("<a href='//evil.example'>x</a>")]
#[case("<a href=\"https://acme.example\n.evil.example\">x</a>")]
#[case("javascript:alert(1)")]
#[case("ftp://acme.example/x")]
#[case("https://192.0.2.1/")]
#[case("https://0x7f.1/")]
#[case("https://[::1]/")]
#[case("https://")]
#[case("data:text/html;base64,AAAA")]
fn links_elsewhere_are_found(#[case] link: &str) {
    assert_eq!(
        body(&format!("see {link} now")).len(),
        1,
        "{link}: {:?}",
        body(&format!("see {link} now"))
    );
}

#[test]
fn what_is_missing_is_named() {
    let found =
        found(json!({"from": "Αcme", "subject": "hello", "body": "hello", "other": "guaranteed returns"}));
    assert_eq!(
        found,
        [
            "/items/1/parameters the wording `Acme Ltd` is missing",
            "/items/1/parameters/body no line says how to unsubscribe",
            "/items/1/parameters/from a sender that is not allowed",
        ]
    );
}

#[test]
fn i10_a_check_that_is_not_set_can_not_run() {
    with_items(vec![json!({})], |matter| {
        let all = crate::domain::checks::Settings::default();
        assert_eq!(check(&asked_of(matter, &all))[0].level, Level::Errored);
    });
}

#[test]
fn hostile_texts_end() {
    for unit in ["//", "://", "http://a ", "\"//", "www.", "guaranteed ", "http://"] {
        let text = unit.repeat((256 << 10) / unit.len());
        let _ = body(&text);
    }
}
