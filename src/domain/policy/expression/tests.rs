#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected must stop"
)]

mod kinds;

use std::{collections::HashMap, thread};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::{
    ids::{ActionName, AgentName, PersonName},
    matter::Matter,
    proposal::{Affected, Item, Observed, ObservedFacts, Provenance},
    source::{Mark, Place},
};

/// A question without a proposal.
struct Asked {
    operation: ActionName,
    agent: AgentName,
    sponsor: PersonName,
    items: Vec<Item>,
    observed: Vec<Observed>,
    claimed: Map<String, Value>,
    provenance: Provenance,
}

impl Asked {
    fn of(items: &[Value]) -> Self {
        let numbered = items.iter().zip(1..);
        let items = numbered.map(|(parameters, id)| Item {
            id: id.to_string().parse().unwrap(),
            parameters: parameters.clone(),
            observed_digest: None,
        });
        Self {
            operation: "payments.create".parse().unwrap(),
            agent: "payments-agent".parse().unwrap(),
            sponsor: "dave".parse().unwrap(),
            items: items.collect(),
            observed: Vec::new(),
            claimed: Map::new(),
            provenance: Provenance::default(),
        }
    }
    fn one(params: Value) -> Self {
        Self::of(&[params])
    }
    fn claim(mut self, name: &str, value: Value) -> Self {
        self.claimed.insert(name.into(), value);
        self
    }
    fn seen(mut self, item: &str, before: Value, affected: Affected) -> Self {
        self.observed.push(Observed {
            item: item.parse().unwrap(),
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
            facts: ObservedFacts {
                connector: "http".into(),
                before,
                after: None,
                affected,
                precondition: None,
            },
        });
        self
    }
    fn matter(&self) -> Matter<'_> {
        Matter {
            operation: &self.operation,
            agent: &self.agent,
            sponsor: &self.sponsor,
            target: None,
            items: &self.items,
            observed: &self.observed,
            dry_runs: &[],
            claimed: &self.claimed,
            justification: "",
            rollback_plan: None,
            exceptions: &[],
            provenance: &self.provenance,
            corrected: false,
            rolls_back: false,
            at: "2026-11-22T10:30:00Z".parse().unwrap(),
        }
    }
    fn eval(&self, text: &str) -> Result<bool, ExpressionError> {
        compiled(text).eval(&Scope::of(&self.matter()))
    }
    fn any(&self, text: &str) -> Result<bool, ExpressionError> {
        compiled(text).any(&Scope::of(&self.matter()))
    }
}

fn compiled(text: &str) -> Expression {
    Expression::compile(text, &Names::any(), None).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn fault(text: &str) -> String {
    let mark = Mark::new(Place { line: 3, column: 10 }, 100, text.len());
    let fault = Expression::compile(text, &Names::any(), Some(mark)).unwrap_err();
    let (mark, message, help) = fault.into_parts();
    let place = mark.unwrap().place();
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    format!("{}:{}: {message}{help}", place.line, place.column)
}

fn payment() -> Asked {
    Asked::one(json!({
        "supplier_id": "ACME", "amount": {"minor": 1_250_000, "currency": "EUR"},
        "tags": ["a", "b"], "note": null,
    }))
}

#[test]
fn conditions_read_what_is_asked() {
    let cases = [
        ("params.amount.minor >= 1000000", true),
        ("params.amount.minor > 1250000", false),
        ("params.amount.currency in ['EUR', 'USD']", true),
        ("params['supplier_id'] == 'ACME' && !has(params.reference)", true),
        ("size(params.tags) == 2 && params.tags.exists(t, t == 'b')", true),
        ("params.tags.all(t, t < 'b')", false),
        ("params.tags.exists_one(t, t == 'a')", true),
        ("params.tags.filter(t, t != 'a').size() == 1", true),
        ("params.tags.map(t, t.size()).sum() == 2", true),
        ("params.tags.map(t, t == 'a', t + '!')[0] == 'a!'", true),
        ("params.note == null", true),
        ("params.supplier_id.matches('^AC[A-Z]+$')", true),
        ("'x' in params", false),
        ("params.amount == params.amount", true),
        (
            "agent == 'payments-agent' && sponsor == 'dave' && action == 'payments.create'",
            true,
        ),
        (
            "now > timestamp('2026-11-22T10:00:00Z') && now - timestamp('2026-11-22T10:00:00Z') == duration('30m')",
            true,
        ),
        (
            "now.getDayOfWeek() == 0 && now.getHours() == 10 && now.getMonth() == 10 && now.getDate() == 22",
            true,
        ),
        ("params.amount.minor / 100 % 7 == 5", true),
        ("-params.amount.minor < 0 ? true : false", true),
        ("observed", false),
        ("int('12') + 1 == 13 && string(13) == '13'", true),
        ("params.supplier_id.lowerAscii().contains('cm')", true),
        ("items.all(i, i.amount.currency == 'EUR')", true),
        (
            "items[0].supplier_id.startsWith('A') && items[0].supplier_id.endsWith('E')",
            true,
        ),
        ("params.missing > 1 || params.amount.minor > 1", true),
        ("params.missing > 1 && params.amount.minor < 1", false),
    ];
    for (text, expected) in cases {
        assert_eq!(payment().eval(text), Ok(expected), "{text}");
    }
}

#[test]
fn i10_what_has_no_answer_is_an_error_that_says_why() {
    let cases = [
        (
            "params.missing > 1",
            "`params.missing` is not there; ask for it with `has()` first",
        ),
        ("params.amount > 1", "`>` does not take a map and a number"),
        (
            "params.amount == 1250000",
            "`==` does not take a map and a number",
        ),
        (
            "params.supplier_id in [1]",
            "`in` does not take text and a number",
        ),
        (
            "params.amount.minor",
            "it gives a number; a condition gives true or false",
        ),
        (
            "params.amount.minor * 9223372036854775807 > 1",
            "`*` gives a number beyond 64 bits",
        ),
        ("params.amount.minor / 0 == 1", "`/` divides by zero"),
        ("params.amount.minor % 0 == 1", "`%` divides by zero"),
        ("params.tags[2] == 'a'", "the list has no element 2"),
        ("params.tags[-1] == 'a'", "the list has no element -1"),
        (
            "claimed.audience > 100",
            "`claimed.audience` is not claimed; ask for it with `has()` first",
        ),
        ("!params.supplier_id", "`!` does not take text"),
        (
            "timestamp(params.supplier_id) < now",
            "`timestamp` can't read the text it was given",
        ),
        (
            "change.before.status == 'paid'",
            "`change.before` is not there; ask for it with `has()` first",
        ),
        (
            "affected.count > 5",
            "`affected.count` is not there; ask for it with `has()` first",
        ),
        (
            "params.missing > 1 || params.amount.minor < 1",
            "`params.missing` is not there; ask for it with `has()` first",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(payment().eval(text).unwrap_err().to_string(), expected, "{text}");
    }
    for number in [json!(1.5), json!(u64::MAX)] {
        let asked = Asked::one(json!({ "n": number }));
        assert_eq!(
            asked.eval("params.n > 1"),
            Err(ExpressionError::Overflow("a number"))
        );
    }
}

#[test]
fn i29_a_sealed_value_is_never_read() {
    let sealed = format!("sha256:{}", "0".repeat(64));
    let asked = Asked::one(json!({"iban": {"$sealed": sealed}, "list": [{"$sealed": sealed}]}));
    for text in [
        "params.iban == 'DE'",
        "params.iban != null",
        "params['iban'] == 'DE'",
        "items.exists(i, i.iban == 'DE')",
        "params.list.exists(x, x == 'DE')",
        "params == params",
    ] {
        assert!(
            matches!(asked.eval(text), Err(ExpressionError::Sealed(_))),
            "{text}"
        );
    }
    assert_eq!(asked.eval("has(params.iban)"), Ok(true));
}

#[test]
fn i13_observed_facts_are_summed_over_the_items() {
    let affected = |count, delta| Affected {
        count: Some(count),
        audience: Some("customers".into()),
        deltas: [("credit".to_owned(), json!(delta))].into(),
        sample: Vec::new(),
    };
    let two = Asked::of(&[json!({"n": 1}), json!({"n": 2})]);
    let half = two.seen("1", json!({"status": "open"}), affected(3, 10));
    assert_eq!(half.eval("observed"), Ok(false));
    assert_eq!(half.eval("has(affected.count)"), Ok(false));
    let both = half.seen("2", json!({"status": "paid"}), affected(4, 5));
    for text in [
        "observed && affected.count == 7 && affected.audience == 'customers'",
        "affected.deltas.credit == 15",
        "change.before.status == 'open' && !has(change.after)",
    ] {
        assert_eq!(both.eval(text), Ok(true), "{text}");
    }
    assert_eq!(both.any("change.before.status == 'paid'"), Ok(true));
    let huge = Asked::one(json!({})).seen("1", json!({}), affected(u64::MAX, 1));
    assert_eq!(
        huge.eval("affected.count > 1"),
        Err(ExpressionError::Overflow("affected.count"))
    );
}

#[test]
fn i20_a_batch_is_judged_by_each_item_and_by_its_total() {
    let item = |minor: i64| json!({"amount": {"minor": minor, "currency": "EUR"}});
    let batch = Asked::of(&[item(400), item(500), item(200)]);
    assert_eq!(batch.eval("params.amount.minor > 1000"), Ok(false));
    assert_eq!(
        batch.any("params.amount.minor > 1000 && params.amount.currency == 'EUR'"),
        Ok(true)
    );
    assert_eq!(
        batch.any("params.amount.minor < 201"),
        Ok(true),
        "the last item alone"
    );
    assert_eq!(batch.any("params.amount.minor > 1100"), Ok(false));
    assert_eq!(batch.any("items.map(i, i.amount.minor).sum() == 1100"), Ok(true));
    let huge = Asked::of(&[item(i64::MAX), item(1)]);
    assert!(matches!(
        huge.any("params.amount.minor < 0"),
        Err(ExpressionError::Overflow(_))
    ));
    let none = Asked::of(&[]);
    assert!(matches!(
        none.any("params.amount.minor < 0"),
        Err(ExpressionError::Missing(_))
    ));
    let odd = Asked::of(&[item(1), json!({})]);
    assert!(matches!(
        odd.any("params.amount.minor > 100"),
        Err(ExpressionError::Missing(_))
    ));
    assert_eq!(odd.any("params.amount.minor > 0"), Ok(true));
}

#[test]
fn i13_claims_are_read_or_left_out() {
    let asked = payment().claim("audience", json!(500));
    assert_eq!(asked.eval("claimed.audience > 100"), Ok(true));
    let matter = asked.matter();
    let without = Scope::of(&matter).without_claims();
    let answer = compiled("claimed.audience > 100").eval(&without);
    assert!(answer.unwrap_err().is_unclaimed());
    assert_eq!(compiled("!has(claimed.audience)").eval(&without), Ok(true));
    // An error that is not about claims is never hidden behind one that is.
    let both = compiled("claimed.x > 1 || params.missing > 1").eval(&without);
    assert!(!both.unwrap_err().is_unclaimed());
}

#[test]
fn totals_are_read_by_name() {
    let (asked, totals) = (payment(), [("per_day", 900)]);
    let matter = asked.matter();
    let scope = Scope::of(&matter).with_totals(&totals);
    assert_eq!(compiled("totals.per_day > 800").eval(&scope), Ok(true));
    assert!(compiled("totals.per_week > 800").eval(&scope).is_err());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (
            "parms.amount > 1",
            "3:10: unknown variable `parms`; did you mean `params`?",
        ),
        (
            "params.a > 1 && afected.count > 1",
            "3:26: unknown variable `afected`; did you mean `affected`?",
        ),
        (
            "affected.coutn > 1",
            "3:18: unknown field `coutn`; did you mean `count`?",
        ),
        (
            "change.befor == 1",
            "3:16: unknown field `befor`; did you mean `before`?",
        ),
        ("agent.name == 'x'", "3:15: `agent` has no fields"),
        (
            "params.a.startswith('x')",
            "3:29: unknown function `startswith`; did you mean `startsWith`?",
        ),
        (
            "startsWith(params.a)",
            "3:20: `startsWith` is not called like this; write `value.startsWith(other)`",
        ),
        (
            "params.a.size(1) == 1",
            "3:23: `size` is not called like this; write `value.size()`",
        ),
        (
            "params.a > 1.5",
            "3:21: fractions are not supported; use whole numbers, money in minor units",
        ),
        ("params.a == 1u", "3:22: write the number without `u`"),
        (
            "params.a == {'b': 1}",
            "3:22: maps can't be written in a condition; compare fields one by one",
        ),
        (
            "params.a.matches(params.b)",
            "3:33: the pattern of `matches` must be written out as text",
        ),
        (
            "params.a.matches('(?=x)')",
            "3:27: not a pattern of bounded size; groups that look around and references back are not supported",
        ),
        (
            "items.all(params, true)",
            "3:20: `params` is taken; give the loop's variable another name",
        ),
        (
            "items.all(i.x, true)",
            "3:21: the first argument of a loop must be a plain name",
        ),
        (
            "items.all(a, items.all(b, items.all(c, true)))",
            "3:45: loops nested deeper than 2; split the expression",
        ),
        (
            "has(params)",
            "3:13: `has` takes a field, as in `has(claimed.audience)`",
        ),
        (
            "",
            "3:10: the expression is empty; write a condition, as in `params.amount.minor >= 1000`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(fault(text), expected, "{text}");
    }
    for text in [
        "params.a >",
        "params.a = 1",
        "(params.a",
        "params..a",
        "'",
        "a b",
        "\u{0}",
        "1 +* 2",
    ] {
        assert!(
            fault(text).contains("not an expression: "),
            "{text}: {}",
            fault(text)
        );
    }
    let without = Names::any().without_claims().without_observed();
    for text in ["claimed.x > 1", "affected.count > 1", "change.before == null"] {
        assert!(Expression::compile(text, &without, None).is_err(), "{text}");
    }
}

/// What a hostile author may write, each answered at once, in a small stack.
#[test]
fn i10_hostile_expressions_are_refused_when_they_compile() {
    let many = |part: &str, count: usize, last: &str| part.repeat(count) + last;
    let cases = [
        many("(", 2000, "1"),
        many("(", 1000, "1") + &many(")", 1000, ""),
        many("[", 60, "") + &many("]", 60, ""),
        many("!", 4000, "true"),
        many("-", 4000, "1"),
        many("true ? ", 500, "true"),
        many("true ? true : ", 290, "true"),
        many("true ? true : ", 80, "true"),
        many("'a' + ", 580, "'a' == 'a'"),
        many("1 + ", 250, "1 == 1"),
        "params".to_owned() + &many(".a", 290, " == 1"),
        "params".to_owned() + &many("[0]", 190, " == 1"),
        "params".to_owned() + &many(".size()", 140, " == 1"),
        many("items.all(a, ", 20, "true") + &many(")", 20, ""),
        "x".repeat(5000),
        "'".repeat(4000),
        "?".repeat(4000),
        "r'\\' + ".to_owned() + &many("(", 100, "'"),
        "params.a.matches('".to_owned() + &many("(a{1000}){1000}", 1, "") + "')",
        "params.a.matches('".to_owned() + &many("a", 300, "") + "')",
        many("\u{202e}", 100, ""),
    ];
    let small = thread::Builder::new().stack_size(2 << 20).spawn(move || {
        for text in cases {
            let start: String = text.chars().take(30).collect();
            let answer = Expression::compile(&text, &Names::any(), None);
            assert!(answer.is_err(), "{start}");
        }
        // As much as is allowed.
        let wide = vec!["params.a == 1"; 70].join(" || ");
        assert!(Expression::compile(&wide, &Names::any(), None).is_ok());
        let deep = "(".repeat(10) + "true" + &")".repeat(10);
        assert!(Expression::compile(&deep, &Names::any(), None).is_ok());
        let deep = "[true].all(x".to_owned() + &", size([x".repeat(5) + &"]) > 0".repeat(5) + ")";
        assert!(Expression::compile(&deep, &Names::any(), None).is_ok());
        let deep = "true ? true : ".repeat(8) + "true";
        assert!(Expression::compile(&deep, &Names::any(), None).is_ok());
        let sum = vec!["params.a"; 60].join(" + ") + " == 1";
        assert!(Expression::compile(&sum, &Names::any(), None).is_ok());
    });
    small.unwrap().join().unwrap();
}

#[test]
fn i10_hostile_evaluations_end_within_their_budget() {
    let long = "x".repeat(60_000);
    let list: Vec<u32> = (0..1000).collect();
    let asked = Asked::one(json!({"s": long, "l": list, "ll": (0..1001).collect::<Vec<u32>>()}));
    let cases = [
        (
            "params.l.all(a, params.l.all(b, a + b >= 0))",
            ExpressionError::Budget,
        ),
        (
            "params.l.map(a, params.s + '!').size() > 1",
            ExpressionError::Budget,
        ),
        (
            "params.l.all(a, params.s.contains('y') || true)",
            ExpressionError::Budget,
        ),
        (
            "params.l.all(a, params.s.matches('y$') || true)",
            ExpressionError::Budget,
        ),
        (
            "params.l.exists(a, params.l == params.ll || a in params.l && params.l.map(c, c) != params.l)",
            ExpressionError::Budget,
        ),
        ("params.s + params.s == ''", ExpressionError::LongText(120_000)),
        ("params.ll.all(a, a >= 0)", ExpressionError::LongList(1001)),
    ];
    for (text, expected) in cases {
        assert_eq!(asked.eval(text), Err(expected), "{text}");
    }
    let doubled = ["[params.s]"; 1].concat() + &".map(a, a + a)".repeat(40) + ".size() == 1";
    assert!(matches!(asked.eval(&doubled), Err(ExpressionError::LongText(_))));
}

/// What the crate's own interpreter says of the same text.
fn reference(text: &str, (a, b): (i64, i64)) -> Option<bool> {
    let program = cel::Program::compile(text).ok()?;
    let mut context = cel::Context::default();
    let list: Vec<cel::Value> = [1_i64, 2, 3].map(cel::Value::Int).into();
    let params: HashMap<&str, cel::Value> = [
        ("a", a.into()),
        ("b", b.into()),
        ("l", list.into()),
        ("t", "xyz".into()),
    ]
    .into();
    context.add_variable_from_value("params", params);
    match program.execute(&context).ok()? {
        cel::Value::Bool(value) => Some(value),
        _ => None,
    }
}

fn condition() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("params.a".to_owned()),
        Just("params.b".to_owned()),
        Just("params.missing".to_owned()),
        Just("size(params.l)".to_owned()),
        Just("params.l[1]".to_owned()),
        (-3_i64..4).prop_map(|n| n.to_string()),
    ];
    let number = number.prop_recursive(3, 8, 2, |inner| {
        (
            inner.clone(),
            prop::sample::select(vec!["+", "-", "*", "/", "%"]),
            inner,
        )
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
    });
    let compare = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let leaf = prop_oneof![
        (number.clone(), compare, number.clone()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
        number.clone().prop_map(|n| format!("{n} in params.l")),
        number.prop_map(|n| format!("params.l.exists(x, x > {n})")),
        Just("has(params.missing)".to_owned()),
        Just("params.t.startsWith('x')".to_owned()),
        Just("params.l.all(x, x < params.a)".to_owned()),
        Just("params.l.filter(x, x > 1).map(x, x * 2) == [4, 6]".to_owned()),
        Just("params.l.exists_one(x, x == params.a)".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

proptest! {
    /// Where both have an answer it is the same, and an error of one is an error of the other.
    #[test]
    fn answers_are_those_of_cel(text in condition(), a in -3_i64..4, b in -3_i64..4) {
        let params = json!({"a": a, "b": b, "l": [1, 2, 3], "t": "xyz"});
        let ours = Asked::one(params).eval(&text).ok();
        prop_assert_eq!(ours, reference(&text, (a, b)), "{}", text);
    }

    #[test]
    fn any_text_is_answered(text in "[a-z.()\\[\\]?:&|!'0-9 +<>=-]{0,120}") {
        if let Ok(expression) = Expression::compile(&text, &Names::any(), None) {
            let _ = expression.any(&Scope::of(&payment().matter()));
        }
    }
}
