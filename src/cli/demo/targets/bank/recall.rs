//! Money that comes back: a payment or a refund is called back, by the key that it was asked for with.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Amount, Bank, CURRENCY, tail, unpayable};
use crate::cli::demo::targets::{
    once::{Asked, Reply},
    page::money,
    wire::Preview,
};

/// What a recall is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recall {
    of: String,
    amount: Amount,
    #[serde(rename = "reference")]
    _reference: Option<String>,
}

impl Bank {
    pub(super) fn recall_preview(&self, id: &str, key: &str) -> Preview {
        let supplier = self.supplier(id)?;
        let payment = self.payments.iter().find(|payment| {
            let called_back = payment.recalled || payment.key.is_empty();
            payment.supplier == id && payment.key == key && !called_back
        });
        let payment =
            payment.ok_or_else(|| Reply::refuse(StatusCode::NOT_FOUND, "no such payment to call back"))?;
        let (paid, count) = self.paid(id);
        let amount = money(payment.minor, CURRENCY);
        let state = |paid, count| {
            json!({
                "supplier": supplier.name,
                "paid_this_year": money(paid, CURRENCY),
                "payments_this_year": count,
            })
        };
        let mut deltas = serde_json::Map::new();
        deltas.insert(supplier.name.into(), format!("-{amount}").into());
        deltas.insert("Our operating account".into(), format!("+{amount}").into());
        let answer = json!({
            "count": 1,
            "audience": format!("{}, {}, account ending {}", supplier.name, supplier.city, tail(supplier.iban)),
            "before": state(paid, count),
            "after": state(paid - payment.minor, count.saturating_sub(1)),
            "deltas": deltas,
            "sample": [{ "payment": payment.id, "paid": amount, "reference": payment.reference }],
        });
        Ok((answer, format!("{}-{count}-{paid}", payment.id)))
    }

    /// Calls a payment or a refund back, by the key that it was asked for with.
    pub(super) fn recall(&mut self, asked: &Asked) -> Reply {
        let order: Recall = match serde_json::from_value(asked.body.clone()) {
            Ok(order) => order,
            Err(error) => return Reply::refuse(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let Self {
            balance,
            suppliers,
            payments,
            refunds,
            once,
            ..
        } = self;
        once.act(asked, || {
            let name = |id: &str| {
                let known = suppliers.iter().find(|supplier| supplier.id == id);
                known.map_or_else(|| id.to_owned(), |supplier| supplier.name.to_owned())
            };
            let payments = payments
                .iter_mut()
                .map(|one| (&one.key, one.minor, name(&one.supplier), &mut one.recalled));
            let refunds = refunds
                .iter_mut()
                .map(|one| (&one.key, one.minor, one.customer.clone(), &mut one.recalled));
            let mut all = payments.chain(refunds);
            let found = all.find(|(key, ..)| !key.is_empty() && **key == order.of);
            let Some((_, minor, from, recalled)) = found else {
                return Err(Reply::refuse(
                    StatusCode::NOT_FOUND,
                    "nothing was paid with that key",
                ));
            };
            if order.amount.payable()? != minor {
                return Err(unpayable("another amount was paid with that key"));
            }
            if *recalled {
                return Err(unpayable("it was called back before"));
            }
            *recalled = true;
            *balance += minor;
            Ok((
                json!({ "of": order.of, "status": "called back" }),
                format!("{} called back from {from}", money(minor, CURRENCY)),
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cli::demo::targets::wire::System as _;

    fn asks(bank: &mut Bank, path: &str, key: &str, body: Value) -> u16 {
        let asked = Asked {
            key: Some(key.to_owned()),
            proposal: None,
            body,
        };
        bank.act(&[path], &asked).status.as_u16()
    }

    #[test]
    fn what_was_paid_is_called_back_whole_and_once() {
        let mut bank = Bank::seeded();
        let held = bank.balance;
        let amount = |minor: i64| json!({ "minor": minor, "currency": "EUR" });
        let pay = json!({ "supplier": "globex", "amount": amount(86_400), "reference": "Invoice R-4471" });
        assert_eq!(asks(&mut bank, "payments", "a/1", pay), 201);
        assert!(bank.recall_preview("globex", "a/1").is_ok());
        for (number, (of, minor, status)) in [
            ("b/1", 86_400, 404),
            ("", 129_900, 404),
            ("a/1", 86_401, 422),
            ("a/1", 86_400, 201),
            ("a/1", 86_400, 422),
        ]
        .into_iter()
        .enumerate()
        {
            let body = json!({ "of": of, "amount": amount(minor) });
            let key = format!("r/{number}");
            assert_eq!(asks(&mut bank, "recalls", &key, body), status, "{of} {minor}");
        }
        assert_eq!(bank.balance, held);
        assert!(bank.recall_preview("globex", "a/1").is_err());
        // The same key is the same answer and acts no more.
        let again = json!({ "of": "a/1", "amount": amount(86_400) });
        assert_eq!(asks(&mut bank, "recalls", "r/3", again), 201);
        assert_eq!((bank.balance, bank.effects().len()), (held, 2));
    }

    #[test]
    fn a_customer_gets_back_what_was_paid_at_most() {
        let mut bank = Bank::seeded();
        let refund = |minor: i64| json!({ "customer": "C-1007", "invoice": "INV-2051", "amount": { "minor": minor, "currency": "EUR" } });
        assert_eq!(asks(&mut bank, "refunds", "a/1/pay", refund(18_901)), 422);
        assert_eq!(asks(&mut bank, "refunds", "b/1/pay", refund(18_900)), 201);
        assert_eq!(asks(&mut bank, "refunds", "c/1/pay", refund(1)), 422);
        let back = json!({ "of": "b/1/pay", "amount": { "minor": 18_900, "currency": "EUR" } });
        assert_eq!(asks(&mut bank, "recalls", "b/1/pay/undo", back), 201);
        assert_eq!(asks(&mut bank, "refunds", "d/1/pay", refund(1)), 201);
    }
}
