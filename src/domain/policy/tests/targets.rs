use super::*;
use crate::domain::ids::Span;

fn bounding(targets: &str) -> Vec<SourceFile> {
    let mut files = starter();
    let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
    catalog.text.push_str(&format!("\ntargets:\n{targets}"));
    files
}

#[test]
fn a_host_s_bounds_are_found_by_host_and_by_port() {
    let bounds = "  bank.example: { concurrency: 2, rate: 60, per: 1m }\n  crm.example:443: { concurrency: 1 }\n  \
                  crm.example: { rate: 1, per: 1d }\n";
    let policy = policy(&bounding(bounds));
    let of = |url: &str| policy.bounds(&url.parse().unwrap());
    let (name, bank) = of("https://bank.example/payments").unwrap();
    assert_eq!((name, bank.concurrency().unwrap().get()), ("bank.example", 2));
    let (count, per) = bank.rate().unwrap();
    assert_eq!((count.get(), per), (60, Span::seconds(60)));
    let (name, crm) = of("https://crm.example/x").unwrap();
    assert_eq!((name, crm.rate()), ("crm.example:443", None));
    assert_eq!(of("https://crm.example:8443/x").unwrap().0, "crm.example");
    assert!(of("https://other.example/").is_none());
    assert!(
        super::policy(&starter())
            .bounds(&"https://bank.example/".parse().unwrap())
            .is_none()
    );
}

#[test]
fn bounds_that_bound_nothing_are_refused() {
    for (targets, why) in [
        (
            "  bank.exmaple: { concurrency: 1 }\n",
            "unknown target `bank.exmaple`",
        ),
        (
            "  bank.example:8443: { concurrency: 1 }\n",
            "unknown target `bank.example:8443`",
        ),
        ("  bank.example: {}\n", "this bounds nothing"),
        (
            "  bank.example: { concurrency: 0 }\n",
            "`0` can't be `concurrency`; 1 to 10000",
        ),
        (
            "  bank.example: { rate: 10001, per: 1m }\n",
            "`10001` can't be `rate`; 1 to 10000",
        ),
        ("  bank.example: { rate: 1 }\n", "`rate` and `per` go together"),
        ("  bank.example: { per: 1m }\n", "`rate` and `per` go together"),
        ("  bank.example: { rate: 1, per: 2d }\n", "`2d` can't be `per`"),
        ("  bank.example: { rate: 1, per: 0s }\n", "`0s` can't be `per`"),
        ("  bank.example: { burst: 1 }\n", "unknown field `burst`"),
    ] {
        let answer = shown(&compile(&bounding(targets)).expect_err(targets));
        assert!(answer.contains(why), "{targets}: {answer}");
        assert_eq!(answer.lines().count(), 1, "{answer}");
    }
}
