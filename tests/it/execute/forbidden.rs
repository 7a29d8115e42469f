//! Where a call may not go, and what may not be smuggled into it.

use countersign::domain::policy::compile;
use serde_json::json;

use super::{
    act, claim, files, now, policy, propose, run_with,
    server::{Raw, say},
    told,
};

fn compiles(url: &str, allow_private: bool) -> bool {
    let execute = format!("method: POST\nurl: {url}\nallow_private: {allow_private}");
    compile(&files(&execute, None, "[name]")).is_ok()
}

#[test]
fn i23_no_spelling_of_a_private_or_metadata_address_is_let_in() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "localhost",
        "x.localhost",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fc00::1]",
        "①②⑦.0.0.1",
        "127。0。0。1",
    ] {
        assert!(!compiles(&format!("https://{host}/do"), false), "{host}");
    }
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "0.0.0.0",
        "0",
        "[::]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        assert!(!compiles(&format!("https://{host}/do"), false), "{host}");
        assert!(!compiles(&format!("http://{host}/do"), true), "{host}");
    }
}

#[tokio::test]
async fn i23_what_the_catalog_lets_in_is_judged_again_when_it_is_called() {
    // The catalog reads these as names or as public addresses; the executor looks at where they lead.
    for (url, allow_private) in [
        ("https://[64:ff9b::7f00:1]/do", false),
        ("https://[64:ff9b::a9fe:a9fe]/do", true),
        ("https://[2002:7f00:1::]/do", false),
        ("https://168.63.129.16/do", true),
        ("https://100.100.100.200/do", true),
        ("https://100.64.0.1/do", false),
        ("https://198.18.0.1/do", true),
        ("https://[fd00:ec2::254]/do", true),
    ] {
        if !compiles(url, allow_private) {
            continue;
        }
        let policy = policy(
            &format!("method: POST\nurl: {url}\nallow_private: {allow_private}\ntimeout: 2s"),
            None,
        );
        let ran = act(&policy, &[json!({"name": "a"})]).await;
        assert!(
            told(&ran).starts_with("errored [errored: "),
            "{url}: {}",
            told(&ran)
        );
        assert!(
            told(&ran).contains("is not an address that this action may call"),
            "{url}: {}",
            told(&ran)
        );
    }
}

#[tokio::test]
async fn i23_values_never_change_the_shape_of_a_body_nor_the_path() {
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let execute = format!(
        "method: POST\nurl: {}/do?q={{text}}\nallow_private: true\nbody: {{ text: \"${{params.text}}\", fixed: [1, \"${{params.text}}\"], more: \"${{params.more}}\" }}",
        target.url
    );
    let policy = compile(&files(&execute, None, "[name, text]")).unwrap();
    let mut sent = 0;
    for text in [
        r#"","fixed":[],"x":""#,
        "${params.name}",
        "${proposal.id}",
        "{{ params.name }}",
        r#"\"}]}"#,
        "a\r\nX-Injected: 1",
        "a&b=c#d?e",
        "%0d%0aX-Injected:%201",
        "{\"$sealed\":\"sha256:00\"}",
        "../../etc",
    ] {
        let proposal = propose(&policy, &[json!({"name": "a", "text": text, "more": {}})]).await;
        // The plan refuses what a URL can't hold.
        let Ok(claimed) = claim(&policy, &proposal) else {
            continue;
        };
        sent += 1;
        let ran = run_with(&policy, claimed, &now, &|| false).await;
        assert_eq!(told(&ran), "executed [executed: 201 Created]", "{text}");
        let body = target.bodies().pop().unwrap();
        assert_eq!(
            body,
            json!({"text": text, "fixed": [1, text], "more": {"deep": "filled"}}),
            "{text}"
        );
        let request = target.requests().pop().unwrap();
        let head = request.split_once("\r\n\r\n").unwrap().0;
        assert!(
            !head
                .lines()
                .any(|line| line.to_ascii_lowercase().starts_with("x-injected")),
            "{head}"
        );
        let line = head.lines().next().unwrap();
        assert_eq!(line.matches(' ').count(), 2, "{line}");
        assert_eq!(
            (
                line.matches('&').count(),
                line.matches('?').count(),
                line.matches('#').count()
            ),
            (0, 1, 0),
            "{line}"
        );
    }
    assert_eq!(target.requests().len(), sent);
    assert!(sent >= 5, "{sent}");
}

#[tokio::test]
async fn i23_a_value_in_a_path_stays_one_part_of_it() {
    let target = Raw::start(vec![say("201 Created", "{}")]).await;
    let execute = format!(
        "method: POST\nurl: {}/do/{{text}}/end\nallow_private: true\nbody: {{}}",
        target.url
    );
    let policy = compile(&files(&execute, None, "[name, text]")).unwrap();
    let mut sent = 0;
    for text in [
        "a b",
        "a/b",
        "a\\b",
        "..",
        ".",
        "%2e%2e",
        "..%2f..%2fadmin",
        "a?b=c",
        "a#b",
        "@evil.example",
        "//evil.example/",
        "a\r\nHost: evil.example",
        ":1/x",
        "",
        "ä",
        "a;b",
        "{name}",
        "${params.name}",
    ] {
        let proposal = propose(&policy, &[json!({"name": "a", "text": text})]).await;
        // The plan refuses what a URL can't hold.
        let Ok(claimed) = claim(&policy, &proposal) else {
            continue;
        };
        sent += 1;
        run_with(&policy, claimed, &now, &|| false).await;
        let request = target.requests().pop().unwrap();
        let line = request.lines().next().unwrap();
        let path = line
            .strip_prefix("POST /do/")
            .and_then(|rest| rest.strip_suffix("/end HTTP/1.1"));
        let part = path.unwrap_or_else(|| panic!("{text}: {line}"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%;:@".contains(&byte);
        assert!(
            part.bytes().all(plain) && !["", ".", ".."].contains(&part),
            "{text}: {line}"
        );
        assert_eq!(
            request.to_ascii_lowercase().matches("\r\nhost: ").count(),
            1,
            "{request}"
        );
    }
    assert_eq!(target.requests().len(), sent);
    assert!(sent >= 5, "{sent}");
}

#[test]
fn headers_that_frame_or_authorise_can_t_carry_the_key() {
    for header in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "Cookie",
        "X-Forwarded-For",
        "a b",
        "a\\r\\nb",
    ] {
        let text = format!("method: POST\nurl: https://a.example/do\nidempotency_header: \"{header}\"");
        assert!(compile(&files(&text, None, "[name]")).is_err(), "{header}");
    }
}
