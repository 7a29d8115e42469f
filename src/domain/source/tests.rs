use proptest::prelude::*;
use serde_json::json;

use super::*;

fn yaml(text: &str) -> Result<Value, String> {
    read_value(&SourceFile::new("a.yaml", text)).map_err(|error| error.to_string())
}

fn json(text: &str) -> Result<Value, String> {
    read_value(&SourceFile::new("a.json", text)).map_err(|error| error.to_string())
}

#[test]
fn scalars_are_what_a_careful_author_expects() {
    let text =
        "a: no\nb: yes\nc: on\nd: true\ne: 0755\nf: 1_000\ng: 12.50\nh: ~\ni: 0o7\nj: '5'\nk: 5%\nl: 1:30";
    let expected = json!({
        "a": "no", "b": "yes", "c": "on", "d": true, "e": "0755", "f": "1_000", "g": 12.5, "h": null,
        "i": 7, "j": "5", "k": "5%", "l": "1:30",
    });
    assert_eq!(yaml(text).unwrap(), expected);
}

#[test]
fn a_second_meaning_is_refused_with_its_place() {
    let cases = [
        (
            "a: 1\nb: 2\na: 3\n",
            "a.yaml:3:1: the key `a` appears twice; keep one",
        ),
        (
            "x:\n  a: 1\n  \"a\": 3\n",
            "a.yaml:3:3: the key `a` appears twice; keep one",
        ),
        (
            "1: a\n'1': b\n",
            "a.yaml:2:1: the key `1` appears twice; keep one",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "a.yaml:2:1: more than one document in the file; keep one and remove the `---`",
        ),
        (
            "a: &x {b: 1}\nc:\n  <<: *x\n",
            "a.yaml:3:3: merge keys (`<<`) are not allowed; write the fields out",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(yaml(text).unwrap_err(), message, "{text}");
    }
}

#[test]
fn what_json_cannot_hold_is_refused() {
    for text in [
        "a: .nan",
        "a: .inf",
        "a: 1e999",
        "a: !secret x",
        "? [a, b]\n: 1",
        "a: !!binary aGk=",
    ] {
        let read = yaml(text);
        assert!(read.is_err() || text.contains("binary"), "{text}: {read:?}");
    }
    // Beyond 64 bits: never silently another number.
    let read = yaml("a: 123456789012345678901234567890");
    assert!(read.is_err() || crate::domain::canonical::canonical(&read.unwrap()).is_err());
}

#[test]
fn floods_are_refused_quickly() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e]\n";
    let error = yaml(bomb).unwrap_err();
    assert!(error.ends_with(TOO_MANY_ALIASES), "{error}");
    let deep = "[".repeat(100) + &"]".repeat(100);
    for error in [yaml(&deep).unwrap_err(), json(&deep).unwrap_err()] {
        assert!(
            error.ends_with("nested deeper than 32 levels; flatten it"),
            "{error}"
        );
    }
    let allowed = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    assert!(yaml(&allowed).is_ok() && json(&allowed).is_ok());
    let error = json(&("[".repeat(100_000))).unwrap_err();
    assert!(error.starts_with("a.json:1:"), "{error}");
    let block: String = (0..100).map(|n| " ".repeat(n) + "a:\n").collect();
    assert!(yaml(&block).unwrap_err().ends_with("flatten it"));
    let wide = "- x\n".repeat(200_000);
    assert!(yaml(&wide).unwrap_err().contains("too many values"));
    let big = "x".repeat(MAX_BYTES + 1);
    assert_eq!(
        yaml(&big).unwrap_err(),
        "a.yaml: the file has 1048577 bytes; 1 MiB is the limit"
    );
    assert!(yaml("a: *nothing").is_err());
    assert!(yaml("a: &x [*x]").is_err());
}

#[test]
fn json_is_read_as_json() {
    assert_eq!(
        json(r#"{"a":"\ud83d\ude00","b":1}"#).unwrap(),
        json!({"a": "😀", "b": 1})
    );
    assert_eq!(
        yaml(r#"{"a": [1, "x"], "b": {"c": null}}"#).unwrap(),
        json!({"a": [1, "x"], "b": {"c": null}})
    );
    let error = json("{\n  \"a\": 1,\n  \"a\": 2\n}").unwrap_err();
    assert!(
        error.starts_with("a.json:3:5: the key `a` appears twice; keep one"),
        "{error}"
    );
    assert!(json(r#"{"a": 1} {"b": 2}"#).is_err());
    assert!(json("{a: 1}").is_err());
    assert_eq!(json("1.5").unwrap(), json!(1.5));
    let marker = r#"{"__serde_saphyr_private_spanned": true, "value": 1}"#;
    assert_eq!(json(marker).unwrap()["value"], 1);
    assert_eq!(yaml(marker).unwrap(), json(marker).unwrap());
}

#[test]
fn syntax_errors_name_their_place() {
    for text in [
        "a: [1, 2\nb: 3\n",
        "a: \"x\n",
        "a: b: c\n",
        "a: 1\n  b: 2\n",
        "a: \u{0}",
    ] {
        let error = read_tree(&SourceFile::new("a.yaml", text)).unwrap_err();
        assert!(error.place().is_some(), "{text:?}: {error}");
        assert!(!error.message().contains(" at line "), "{error}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the errors are looked at")]
struct Sample {
    name: String,
    count: u8,
    kind: SampleKind,
    list: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SampleKind {
    Plain,
    Keyed(String),
}

#[test]
fn what_does_not_fit_is_named_in_words_of_the_file() {
    let good = "name: x\ncount: 1\nkind: plain\n";
    assert!(read_yaml::<Sample>(&SourceFile::new("a.yaml", good)).is_ok());
    let keyed = "name: x\ncount: 1\nkind: { keyed: y }\n";
    let sample = read_yaml::<Sample>(&SourceFile::new("a.yaml", keyed)).unwrap();
    assert!(matches!(sample.kind, SampleKind::Keyed(key) if key == "y"));
    let cases = [
        (
            "naem: x\ncount: 1\nkind: plain\n",
            "a.yaml:1:1: unknown field `naem`; did you mean `name`?",
        ),
        (
            "zzzzzz: x\n",
            "a.yaml:1:1: unknown field `zzzzzz`; the fields here are `name`, `count`, `kind`, `list`",
        ),
        (
            "name: x\nkind: plain\n",
            "a.yaml:1:1: the field `count` is missing",
        ),
        (
            "name: x\ncount: many\nkind: plain\n",
            "a.yaml:2:8: expected a whole number, found the text `many`",
        ),
        (
            "name: x\ncount: 300\nkind: plain\n",
            "a.yaml:2:8: expected a whole number, found `300`",
        ),
        (
            "name: 5\ncount: 3\nkind: plain\n",
            "a.yaml:1:7: expected text, found `5`",
        ),
        (
            "name: [x]\ncount: 3\nkind: plain\n",
            "a.yaml:1:7: expected text, found a list",
        ),
        (
            "name: x\ncount: 3\nkind: plian\n",
            "a.yaml:3:7: unknown value `plian`; did you mean `plain`?",
        ),
        (
            "name: x\ncount: 3\nkind: { plain: 1 }\n",
            "a.yaml:3:16: `plain` takes no value",
        ),
        (
            "name: x\ncount: 3\nkind: keyed\n",
            "a.yaml:3:7: `keyed` needs a value; write `keyed: ...` within the field",
        ),
        (
            "name: x\ncount: 3\nkind: plain\nlist: a\n",
            "a.yaml:4:7: expected a list, found the text `a`",
        ),
        (
            "name: x\ncount: 3\nkind: plain\nlist: [a, {b: 1}]\n",
            "a.yaml:4:11: expected text, found a mapping",
        ),
        ("- x\n", "a.yaml:1:1: expected a mapping, found a list"),
        ("", "a.yaml:1:1: the file is empty; fill it in, or remove it"),
    ];
    for (text, message) in cases {
        let error = read_yaml::<Sample>(&SourceFile::new("a.yaml", text)).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn places_count_characters_and_bytes_count_bytes() {
    let file = SourceFile::new("a.yaml", "é: {ü: 1, b: wrong}\n");
    let node = read_tree(&file).unwrap();
    let mark = node.mark_at("/é/b").unwrap();
    assert_eq!(mark.place(), Place { line: 1, column: 14 });
    let (start, length) = mark.bytes();
    assert_eq!(file.text.get(start..start + length), Some("wrong"));
    let key = node.get("é").unwrap().key_mark("b").unwrap();
    assert_eq!(key.place(), Place { line: 1, column: 11 });
    assert_eq!(node.mark_at("/é/none/deeper"), node.mark_at("/é"));
    let file = SourceFile::new("a.yaml", "\u{feff}a: wrong\n");
    let (start, length) = read_tree(&file).unwrap().mark_at("/a").unwrap().bytes();
    assert_eq!(file.text.get(start..start + length), Some("wrong"));
}

#[test]
fn what_is_written_keeps_its_order_and_shows_what_is_hidden() {
    #[derive(Serialize)]
    struct Written {
        z: &'static str,
        a: Vec<u32>,
        m: &'static str,
    }
    let value = Written {
        z: "pay\u{202e}100",
        a: vec![1, 2],
        m: "line one\nline two\n",
    };
    assert_eq!(
        write_yaml(&value, &[]).unwrap(),
        "z: \"pay\\u202e100\"\na:\n- 1\n- 2\nm: |\n  line one\n  line two\n"
    );
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    assert!(write_yaml(&deep, &[]).is_err());
}

/// Text that YAML readers are known to take for something else.
fn nasty() -> impl Strategy<Value = String> {
    let words = [
        "no",
        "yes",
        "on",
        "off",
        "Y",
        "n",
        "1e3",
        "0o7",
        "0x1f",
        "0b1",
        "~",
        "null",
        "Null",
        "=",
        "<<",
        "true",
        "False",
        "",
        " ",
        "  x",
        "x  ",
        "\t",
        "a\nb",
        "a\n",
        "\na",
        "a\n\n",
        "\n",
        "a\r\nb",
        "\r",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "[a",
        "{a",
        "&a",
        "*a",
        "!a",
        "!!str a",
        "%a",
        "@a",
        "`a",
        "'",
        "\"",
        "\\",
        "|",
        ">",
        "?",
        "? a",
        ":",
        ": a",
        "---",
        "...",
        "--- a",
        "12",
        "-1",
        "+1",
        "1.5",
        ".5",
        "1_000",
        "0755",
        ".inf",
        ".nan",
        "2026-11-22",
        "1:30",
        "\u{feff}a",
        "\u{202e}abc\u{202c}",
        "\u{200b}",
        "\u{85}",
        "\u{2028}x",
        "\u{a0}",
        "é",
        "e\u{301}",
        "😀",
        "\u{e0001}",
        "\u{7f}",
        "\u{1b}[0m",
        "\u{1}",
        "\u{fffe}",
        "${params.x}",
        "{{ x }}",
        "  a\n b\n",
        "a\n  b",
        "1e",
        "e1",
        "_",
        "0",
        "-",
        "--",
        "-0",
        "0.0",
        "09",
        "1,5",
        "a\\nb",
    ];
    prop_oneof![
        proptest::sample::select(words.to_vec()).prop_map(String::from),
        ".{0,20}",
        "[ \\n\\t:#'\"-]{0,8}",
        proptest::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        nasty().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(nasty(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_reads_back_equal(value in value()) {
        let text = write_yaml(&value, &[]).unwrap();
        let read = yaml(&text);
        prop_assert_eq!(read.as_ref(), Ok(&value), "{}", text);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{}", text);
        let text = serde_json::to_string(&value).unwrap();
        let read = json(&text);
        prop_assert_eq!(read.as_ref(), Ok(&value), "{}", text);
    }

    #[test]
    fn any_text_is_an_answer_and_no_crash(text in nasty(), more in ".{0,200}") {
        let _ = yaml(&format!("{text}{more}"));
        let _ = json(&format!("{text}{more}"));
    }
}
