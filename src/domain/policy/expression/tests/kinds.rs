//! What never has an answer is refused when it compiles, and nothing else is.

use super::*;
use crate::domain::{
    policy::schema::ParamSchema,
    source::{SourceFile, read_tree},
};

const SCHEMA: &str = r##"
type: object
required: [n, t, b, l, m, o, u]
properties:
  n: { type: integer }
  t: { type: string }
  b: { type: boolean }
  l: { type: array, items: { type: string } }
  m: { type: array, items: { $ref: "#/$defs/count" } }
  o: { type: object, required: [x], properties: { x: { $ref: "#/$defs/count" }, y: { type: string } } }
  u: { type: [string, integer, "null"] }
  e: { enum: [a, 1] }
  c: { anyOf: [{ type: integer }, { type: array }] }
  memo: { type: string }
  from: { type: string, default: Acme }
  free: { type: object, additionalProperties: true }
$defs: { count: { type: integer } }
"##;

fn schema() -> ParamSchema {
    let tree = read_tree(&SourceFile::new("schema.yaml", SCHEMA)).unwrap();
    ParamSchema::read(&tree).unwrap()
}

fn refused(text: &str) -> Option<String> {
    let schema = schema();
    let names = Names::any()
        .with_params(&schema, &[])
        .of_action("payments.create");
    let mark = Mark::new(Place { line: 1, column: 1 }, 0, text.len());
    let fault = Expression::compile(text, &names, Some(mark)).err()?;
    let (mark, message, help) = fault.into_parts();
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    Some(format!("{}: {message}{help}", mark.unwrap().place().column))
}

#[test]
fn a_part_that_never_has_an_answer_is_refused_where_it_stands() {
    let found: Vec<String> = [
        "affected.count",
        "params.o",
        "params.l",
        "params.t",
        "now",
        "params.n > 5 && params.t",
        "!params.n",
        "params.n ? true : false",
        "params.l.all(x, x)",
        "affected.count > '10000'",
        "params.t > 5",
        "params.t > params.n",
        "params.o >= 1000",
        "params.l == 'a'",
        "params.b == 'yes'",
        "now > '2026-01-31T08:00:00Z'",
        "now.getHours() >= '7'",
        "now > 5",
        "claimed.at > now",
        "now - timestamp('2026-01-31T08:00:00Z') > '2d'",
        "params.n + params.t == 'x'",
        "params.t + 1 == 'x'",
        "-params.t == 'x'",
        "params.t.size < 20",
        "params.n.startsWith('x')",
        "params.t.getHours() > 5",
        "size(params.n) > 5",
        "params.n.matches('x')",
        "params.n.all(x, x > 5)",
        "params.l.exists(x, x > 5)",
        "items.all(i, i.t > 5)",
        "items[0].t > 5",
        "params.n in ['a', 'b']",
        "params.n in 'abc'",
        "params.l[0] > 5",
        "params.l['a'] == 'b'",
        "params.l.map(x, x.size())[0] == 'a'",
        "params.u > true",
        "params.e == now",
        "totals.per_day == 'x'",
        "timestamp('soon') < now",
        "duration('two days') > duration('1d')",
        "int('five') > 4",
        "action == 'payments.create' && params.t > 5",
    ]
    .into_iter()
    .map(|text| format!("{text}\n  {}", refused(text).unwrap_or_else(|| panic!("{text}"))))
    .collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    affected.count
      9: this gives `affected.count` (a number); a condition gives true or false; compare it, as in `affected.count > 0`
    params.o
      7: this gives `params.o` (a map); a condition gives true or false; compare a field of it, as in `params.o.x`
    params.l
      7: this gives `params.l` (a list); a condition gives true or false; ask `size(params.l) > 0`, `'x' in params.l` or `params.l.exists(x, x == 'x')`
    params.t
      7: this gives `params.t` (text); a condition gives true or false; compare it, as in `params.t == 'x'`
    now
      1: this gives `now` (a time); a condition gives true or false; compare it, as in `now.getHours() >= 18`
    params.n > 5 && params.t
      23: `&&` takes true or false, and this gives `params.t` (text); compare it, as in `params.t == 'x'`
    !params.n
      8: `!` takes true or false, and this gives `params.n` (a number); compare it, as in `params.n > 0`
    params.n ? true : false
      7: `? :` takes true or false, and this gives `params.n` (a number); compare it, as in `params.n > 0`
    params.l.all(x, x)
      17: `all` takes true or false, and this gives `x` (text); compare it, as in `x == 'x'`
    affected.count > '10000'
      16: `>` never has an answer for `affected.count` (a number) and text; write `10000` without quotes
    params.t > 5
      10: `>` never has an answer for `params.t` (text) and a number; `string()` makes text of a number, `int()` a number of text
    params.t > params.n
      10: `>` never has an answer for `params.t` (text) and `params.n` (a number); `string()` makes text of a number, `int()` a number of text
    params.o >= 1000
      10: `>=` never has an answer for `params.o` (a map) and a number; use a field of it, as in `params.o.x`
    params.l == 'a'
      10: `==` never has an answer for `params.l` (a list) and text; ask the list by `size()`, `in`, `exists` or `all`
    params.b == 'yes'
      10: `==` never has an answer for `params.b` (true or false) and text; what is true or false is a condition by itself; turn it round with `!`
    now > '2026-01-31T08:00:00Z'
      5: `>` never has an answer for `now` (a time) and text; write `timestamp('2026-01-31T08:00:00Z')`
    now.getHours() >= '7'
      16: `>=` never has an answer for a number and text; write `7` without quotes
    now > 5
      5: `>` never has an answer for `now` (a time) and a number; ask the time for a number, as in `now.getHours()`
    claimed.at > now
      12: `>` never has an answer for `claimed.at` (a JSON value) and `now` (a time); make a time of the text by `timestamp()`, or ask the time for `getHours()` and the like
    now - timestamp('2026-01-31T08:00:00Z') > '2d'
      41: `>` never has an answer for a duration and text; write `duration('2d')`
    params.n + params.t == 'x'
      10: `+` never has an answer for `params.n` (a number) and `params.t` (text); `string()` makes text of a number, `int()` a number of text
    params.t + 1 == 'x'
      10: `+` never has an answer for `params.t` (text) and a number; `string()` makes text of a number, `int()` a number of text
    -params.t == 'x'
      1: `-` never has an answer for `params.t` (text)
    params.t.size < 20
      9: there is no field `size` in `params.t` (text); write `size()` to call it
    params.n.startsWith('x')
      20: `startsWith` never has an answer for `params.n` (a number) and text
    params.t.getHours() > 5
      18: `getHours` never has an answer for `params.t` (text)
    size(params.n) > 5
      5: `size` never has an answer for `params.n` (a number)
    params.n.matches('x')
      17: `matches` never has an answer for `params.n` (a number)
    params.n.all(x, x > 5)
      13: `all` never has an answer for `params.n` (a number); it goes through a list, or the names in a map
    params.l.exists(x, x > 5)
      22: `>` never has an answer for `x` (text) and a number; `string()` makes text of a number, `int()` a number of text
    items.all(i, i.t > 5)
      18: `>` never has an answer for `i.t` (text) and a number; `string()` makes text of a number, `int()` a number of text
    items[0].t > 5
      12: `>` never has an answer for `items[].t` (text) and a number; `string()` makes text of a number, `int()` a number of text
    params.n in ['a', 'b']
      10: `in` never has an answer for `params.n` (a number) and a list; what is looked for must be of the kind of the list's elements
    params.n in 'abc'
      10: `in` never has an answer for `params.n` (a number) and text; what is looked for must be of the kind of the list's elements
    params.l[0] > 5
      13: `>` never has an answer for `params.l[]` (text) and a number; `string()` makes text of a number, `int()` a number of text
    params.l['a'] == 'b'
      9: `[ ]` never has an answer for `params.l` (a list) and text; a list is asked for an element by its number from 0, a map for a field by its name
    params.l.map(x, x.size())[0] == 'a'
      30: `==` never has an answer for a number and text; `string()` makes text of a number, `int()` a number of text
    params.u > true
      10: `>` never has an answer for `params.u` (null or a number or text) and true or false; what is true or false is a condition by itself; turn it round with `!`
    params.e == now
      10: `==` never has an answer for `params.e` (a number or text) and `now` (a time); make a time of the text by `timestamp()`, or ask the time for `getHours()` and the like
    totals.per_day == 'x'
      16: `==` never has an answer for `totals.per_day` (a number) and text; `string()` makes text of a number, `int()` a number of text
    timestamp('soon') < now
      10: `timestamp` can't read this text; write a time as in `timestamp('2026-01-31T08:00:00Z')`
    duration('two days') > duration('1d')
      9: `duration` can't read this text; write a duration as in `duration('1h30m')`: `ms`, `s`, `m`, `h`, `d`
    int('five') > 4
      4: `int` can't read this text; write a whole number
    action == 'payments.create' && params.t > 5
      41: `>` never has an answer for `params.t` (text) and a number; `string()` makes text of a number, `int()` a number of text
    "#);
}

#[test]
fn what_may_have_an_answer_is_taken() {
    for text in [
        "params.u == 'x' || params.u == 5 || params.u == null",
        "params.u != null && params.u > 5",
        "params.e == 1 && params.e in ['a', 1]",
        "params.c == 5 || size(params.c) > 1",
        "params.free.x > 5 && params.free.y == 'x' && params.free.z",
        "claimed.x > 5 && claimed.y == 'x' && claimed.z.all(a, a)",
        "change.before.x > 5 || change.after == 'x' || affected.deltas.credit > 5",
        "params.o == params.o && params.l == ['a']",
        "params.n in [] || params.t in params.o || params.t in params.l",
        "action == 'crm.note' && params.t > 5",
        "params.t > 5 && action == 'crm.note'",
        "action != 'crm.note' || params.t > 5",
        "action in ['crm.note', 'crm.update'] ? params.t > 5 : params.t == 'x'",
        "(action == 'crm.note' ? params.n : params.t) == 'x'",
        "params.o.all(name, name == 'x')",
        "items.filter(i, i.n > 5).map(i, i.o.x).sum() > 5",
        "[params.n, 5].sum() > 5",
        "timestamp(params.t) < now && duration(params.t) < duration('1d') && int(params.t) > 5",
        "now - duration('2d') < now && now - now < duration('2d')",
        "false && 1 == 'x'",
    ] {
        assert_eq!(refused(text), None, "{text}");
    }
}

/// Where a parameter is read that may be left out, by what stands there.
fn unguarded(text: &str) -> Vec<String> {
    let schema = schema();
    let names = Names::any().with_params(&schema, &[]);
    let expression =
        Expression::compile(text, &names, None).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let absent = |field: &Field| {
        let (name, object) = field.names.split_last().unwrap();
        field.root == Root::Params && schema.may_be_absent(object, name)
    };
    let fields = expression.fields().into_iter().filter(absent);
    fields
        .filter(|field| expression.reads_absent(None, field).is_some())
        .map(|field| field.names.join("."))
        .collect()
}

#[test]
fn an_optional_parameter_is_read_behind_has() {
    for text in [
        "params.memo == 'x'",
        "params.n > 5 && params.memo == 'x'",
        "params.n > 5 || params.memo == 'x'",
        "has(params.o.y) && params.memo == 'x'",
        "has(params.memo) || params.memo == 'x'",
        "!has(params.memo) && params.memo == 'x'",
        "params.b ? has(params.memo) : params.memo == 'x'",
        "size(params.memo) > 5",
        "params['memo'] == 'x'",
        "items.all(i, i.memo == 'x')",
        "items.exists(i, has(i.o.y) && i.memo == 'x')",
        "items[0].memo.size() > 5",
        "items.map(i, i.memo).exists(m, m == 'x')",
    ] {
        assert_eq!(unguarded(text), ["memo"], "{text}");
    }
    assert_eq!(unguarded("has(params.memo) && params.o.y == 'x'"), ["o.y"]);
    for text in [
        "has(params.memo)",
        "has(params.memo) && params.memo == 'x'",
        "params.memo == 'x' && has(params.memo)",
        "!has(params.memo) || params.memo == 'x'",
        "has(params.memo) ? params.memo == 'x' : params.n > 5",
        "(has(params.memo) && params.b) && (params.n > 5 || params.memo == 'x')",
        "has(params.memo) == true && params.memo == 'x'",
        "'memo' in params && params.memo == 'x'",
        "items.all(i, !has(i.memo) || i.memo == 'x')",
        "items.filter(i, has(i.memo)).all(i, i.memo == 'x')",
        "items.filter(i, has(i.memo)).map(i, size(i.memo)).sum() > 5",
        "items.map(i, has(i.memo), i.memo).exists(m, m == 'x')",
        "params.from == 'Acme' && params.o.x > 5 && params.n > 5",
        "claimed.memo == 'x' && change.before.memo == 'x'",
        "params.free.x == 5",
    ] {
        let read: Vec<String> = unguarded(text)
            .into_iter()
            .filter(|name| name != "free")
            .collect();
        assert_eq!(read, [""; 0], "{text}");
    }
}

/// A text, and what must have an answer for it to be one without a part that never has: true, false or anything.
#[derive(Debug, Clone)]
struct Part {
    text: String,
    asks: Vec<String>,
}

impl Part {
    fn leaf(text: &str) -> Self {
        Self {
            text: text.into(),
            asks: Vec::new(),
        }
    }
    /// A part that gives a value, or none.
    fn of(text: String, inner: &[&Self]) -> Self {
        let mut asks: Vec<String> = inner.iter().flat_map(|part| part.asks.clone()).collect();
        asks.push(format!("[{text}] == null"));
        Self { text, asks }
    }
    /// Asks whether it gives true or false.
    fn truth(&self) -> String {
        format!("({}) ? true : true", self.text)
    }
    fn also(mut self, asks: impl IntoIterator<Item = String>) -> Self {
        self.asks.extend(asks);
        self
    }
}

fn part(variable: bool) -> impl Strategy<Value = Part> {
    let mut leaves = vec![
        "params.n",
        "params.t",
        "params.b",
        "params.l",
        "params.m",
        "params.o",
        "params.o.x",
        "params.u",
        "now",
        "agent",
        "observed",
        "items",
        "claimed.a",
        "affected.count",
        "5",
        "'x'",
        "'12'",
        "null",
        "true",
        "[]",
        "['x']",
        "[1, 2]",
        "duration('1h')",
        "action == 'payments.create'",
        "action == 'crm.note'",
    ];
    if variable {
        leaves.extend(["x", "x", "x"]);
    }
    let leaf = prop::sample::select(leaves).prop_map(Part::leaf);
    leaf.prop_recursive(3, 10, 3, move |inner| {
        let signs = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in",
        ]);
        let calls = prop::sample::select(vec![
            "size()", "contains('x')", "lowerAscii()", "sum()", "getHours()", "matches('x')",
        ]);
        let casts = prop::sample::select(vec!["int", "string", "timestamp", "duration", "size", "-"]);
        prop_oneof![
            3 => (inner.clone(), signs, inner.clone())
                .prop_map(|(a, sign, b)| Part::of(format!("({} {sign} {})", a.text, b.text), &[&a, &b])),
            1 => (inner.clone(), calls).prop_map(|(a, call)| Part::of(format!("({}).{call}", a.text), &[&a])),
            1 => (casts, inner.clone()).prop_map(|(cast, a)| Part::of(format!("{cast}({})", a.text), &[&a])),
            1 => inner.clone().prop_map(|a| {
                let truth = a.truth();
                Part::of(format!("!({})", a.text), &[&a]).also([truth])
            }),
            1 => (inner.clone(), prop::sample::select(vec!["&&", "||"]), inner.clone()).prop_map(|(a, sign, b)| {
                let truths = [a.truth(), b.truth()];
                Part::of(format!("({} {sign} {})", a.text, b.text), &[&a, &b]).also(truths)
            }),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| {
                let truth = a.truth();
                Part::of(format!("({} ? {} : {})", a.text, b.text, c.text), &[&a, &b, &c]).also([truth])
            }),
            1 => (inner.clone(), inner).prop_map(|(a, b)| Part::of(format!("({})[{}]", a.text, b.text), &[&a, &b])),
        ]
    })
}

/// A loop, of which the body's questions are asked of its elements.
fn looped() -> impl Strategy<Value = Part> {
    let kinds = prop::sample::select(vec!["all", "exists", "exists_one", "filter", "map"]);
    (part(false), kinds, part(true)).prop_map(|(over, kind, body)| {
        let mut asked = body.asks.clone();
        asked.push(format!("[{}] == null", body.text));
        if kind != "map" {
            asked.push(body.truth());
        }
        let over_text = &over.text;
        let each = asked
            .into_iter()
            .map(|ask| format!("size({over_text}) > 0 ? ({over_text}).map(x, {ask}) == null : 1"));
        let each: Vec<String> = each.collect();
        Part::of(format!("({over_text}).{kind}(x, {})", body.text), &[&over]).also(each)
    })
}

fn asked() -> Vec<Asked> {
    [
        json!({"n": 1, "t": "x", "b": true, "l": ["x"], "m": [1, 2], "o": {"x": 1, "y": "b"}, "u": "x"}),
        json!({"n": 5, "t": "12", "b": false, "l": ["12", "x"], "m": [5], "o": {"x": 0}, "u": 5}),
        json!({"n": 0, "t": "2026-01-31T08:00:00Z", "b": true, "l": ["x"], "m": [0], "o": {"x": 1}, "u": null}),
        json!({"n": -3, "t": "1h", "b": true, "l": ["1h"], "m": [2, 1], "o": {"x": 1}, "u": "2d"}),
    ]
    .into_iter()
    .zip([json!(5), json!("x"), json!(["x"]), json!({"a": 1})])
    .map(|(params, claim)| {
        let affected = Affected {
            count: Some(5),
            audience: None,
            deltas: [].into(),
            sample: Vec::new(),
        };
        Asked::one(params).claim("a", claim).seen("1", json!({}), affected)
    })
    .collect()
}

proptest! {
    /// Of what is refused, a part has no answer whatever is asked.
    #[test]
    fn what_has_an_answer_is_never_refused(part in prop_oneof![part(false), looped()]) {
        let schema = schema();
        let names = Names::any().with_params(&schema, &[]).of_action("payments.create");
        if Expression::lowered(&part.text, &names, None, 1).is_err() {
            // It does not parse, or names what does not exist: nothing to do with kinds.
            return Ok(());
        }
        if let Err(fault) = Expression::compile(&part.text, &names, None) {
            let inputs = asked();
            let answered = |ask: &String| {
                let ask = Expression::lowered(ask, &Names::any(), None, 1);
                let Ok(ask) = ask else { return false };
                inputs.iter().any(|asked| ask.eval(&Scope::of(&asked.matter())).is_ok())
            };
            let mut asks = part.asks.clone();
            asks.push(part.truth());
            prop_assert!(!asks.iter().all(answered), "{}: {}", part.text, fault);
        }
    }
}
