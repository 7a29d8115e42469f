//! The demo's bank: one account, a few suppliers and customers, what was paid to them, and what was called back.

mod recall;
mod refund;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    once::{Asked, Effect, Once, Reply},
    page::money,
    wire::{Preview, System},
};
use refund::{Refund, Sale};

const CURRENCY: &str = "EUR";

#[derive(Debug, Serialize)]
struct Supplier {
    id: &'static str,
    name: &'static str,
    city: &'static str,
    iban: &'static str,
    invoices: Vec<Invoice>,
}

#[derive(Debug, Clone, Serialize)]
struct Invoice {
    number: &'static str,
    minor: i64,
}

#[derive(Debug, Serialize)]
struct Payment {
    id: String,
    supplier: String,
    minor: i64,
    reference: String,
    new: bool,
    /// The `Idempotency-Key` that it was asked for with; a recall names it.
    key: String,
    recalled: bool,
}

/// What a payment is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    supplier: String,
    amount: Amount,
    reference: String,
    iban: Option<String>,
    #[serde(rename = "end_to_end_id")]
    _end_to_end_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    minor: i64,
    currency: String,
}

#[derive(Debug)]
pub(super) struct Bank {
    balance: i64,
    suppliers: Vec<Supplier>,
    sales: Vec<Sale>,
    payments: Vec<Payment>,
    refunds: Vec<Refund>,
    once: Once,
}

impl Amount {
    /// Its minor units, when the account can pay them.
    fn payable(&self) -> Result<i64, Reply> {
        if self.currency == CURRENCY && self.minor > 0 {
            Ok(self.minor)
        } else {
            Err(unpayable("the account is in EUR"))
        }
    }
}

fn unpayable(why: &str) -> Reply {
    Reply::refuse(StatusCode::UNPROCESSABLE_ENTITY, why)
}

impl Bank {
    pub(super) fn seeded() -> Self {
        let invoice = |number, minor| Invoice { number, minor };
        let suppliers = vec![
            Supplier {
                id: "acme-ltd",
                name: "ACME Ltd",
                city: "Hamburg",
                iban: "DE89370400440532013000",
                invoices: vec![invoice("2026-117", 1_250_000), invoice("2026-121", 318_050)],
            },
            Supplier {
                id: "globex",
                name: "Globex Logistics",
                city: "Rotterdam",
                iban: "NL91ABNA0417164300",
                invoices: vec![invoice("R-4471", 86_400)],
            },
            Supplier {
                id: "initech",
                name: "Initech Software",
                city: "Lyon",
                iban: "FR1420041010050500013M02606",
                invoices: Vec::new(),
            },
        ];
        let paid = |id: &str, supplier: &str, minor, reference: &str| Payment {
            id: id.into(),
            supplier: supplier.into(),
            minor,
            reference: reference.into(),
            new: false,
            key: String::new(),
            recalled: false,
        };
        Self {
            balance: 25_000_000,
            suppliers,
            sales: vec![Sale {
                customer: "C-1007",
                invoice: "INV-2051",
                minor: 18_900,
            }],
            payments: vec![
                paid("P-0001", "acme-ltd", 940_000, "Invoice 2026-088"),
                paid("P-0002", "globex", 129_900, "Invoice R-4402"),
                paid("P-0003", "acme-ltd", 2_880_000, "Invoice 2026-102"),
            ],
            refunds: Vec::new(),
            once: Once::default(),
        }
    }

    fn supplier(&self, id: &str) -> Result<&Supplier, Reply> {
        let found = self.suppliers.iter().find(|supplier| supplier.id == id);
        found.ok_or_else(|| Reply::refuse(StatusCode::NOT_FOUND, "no such supplier"))
    }

    fn paid(&self, id: &str) -> (i64, usize) {
        let theirs = self
            .payments
            .iter()
            .filter(|payment| payment.supplier == id && !payment.recalled);
        theirs.fold((0, 0), |(sum, count), payment| (sum + payment.minor, count + 1))
    }

    fn preview(&self, id: &str, minor: i64, currency: &str) -> Preview {
        let supplier = self.supplier(id)?;
        if currency != CURRENCY || minor <= 0 {
            return Err(unpayable("the account is in EUR"));
        }
        let (paid, count) = self.paid(id);
        let open: i64 = supplier.invoices.iter().map(|invoice| invoice.minor).sum();
        let (amount, tail) = (money(minor, CURRENCY), tail(supplier.iban));
        let state = |paid, count, open: i64| {
            json!({
                "supplier": supplier.name,
                "paid_this_year": money(paid, CURRENCY),
                "payments_this_year": count,
                "open_invoices": money(open.max(0), CURRENCY),
            })
        };
        let sample: Vec<Value> = supplier
            .invoices
            .iter()
            .map(|invoice| json!({ "invoice": invoice.number, "open": money(invoice.minor, CURRENCY) }))
            .collect();
        let mut deltas = serde_json::Map::new();
        deltas.insert(supplier.name.into(), format!("+{amount}").into());
        deltas.insert("Our operating account".into(), format!("-{amount}").into());
        let answer = json!({
            "count": 1,
            "audience": format!("{}, {}, account ending {tail}", supplier.name, supplier.city),
            "before": state(paid, count, open),
            "after": state(paid + minor, count + 1, open - minor),
            "deltas": deltas,
            "sample": sample,
        });
        Ok((answer, format!("{id}-{count}-{paid}")))
    }

    fn pay(&mut self, asked: &Asked) -> Reply {
        let order = match Order::read(asked) {
            Ok(order) => order,
            Err(reply) => return reply,
        };
        let supplier = match self.supplier(&order.supplier) {
            Ok(supplier) => (supplier.name, supplier.iban),
            Err(reply) => return reply,
        };
        let Self {
            balance,
            payments,
            once,
            ..
        } = self;
        once.act(asked, || {
            *balance = order.covered(supplier.1, *balance)?;
            let minor = order.amount.minor;
            let id = format!("P-{:04}", payments.len() + 1);
            let what = format!(
                "{} paid to {}, {}",
                money(minor, CURRENCY),
                supplier.0,
                order.reference
            );
            payments.push(Payment {
                id: id.clone(),
                supplier: order.supplier,
                minor,
                reference: order.reference,
                new: true,
                key: asked.key.clone().unwrap_or_default(),
                recalled: false,
            });
            Ok((json!({ "payment": id, "status": "booked" }), what))
        })
    }
}

impl Order {
    fn read(asked: &Asked) -> Result<Self, Reply> {
        serde_json::from_value(asked.body.clone())
            .map_err(|error| Reply::refuse(StatusCode::BAD_REQUEST, error.to_string()))
    }

    /// What a payment leaves of the balance.
    fn covered(&self, iban: &str, balance: i64) -> Result<i64, Reply> {
        let minor = self.amount.payable()?;
        if self.iban.as_deref().is_some_and(|own| own != iban) {
            return Err(unpayable("the account is not this supplier's"));
        }
        if minor > balance {
            return Err(unpayable("the balance does not cover it"));
        }
        Ok(balance - minor)
    }
}

impl System for Bank {
    fn read(&self, path: &[&str], query: &[(String, String)]) -> Preview {
        let value = |name: &str| {
            query
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        let minor = value("minor").and_then(|minor| minor.parse().ok()).unwrap_or(0);
        match path {
            ["suppliers", id, "preview"] => self.preview(id, minor, value("currency").unwrap_or_default()),
            ["suppliers", id, "recall-preview"] => {
                self.recall_preview(id, value("payment").unwrap_or_default())
            }
            ["customers", id, "refund-preview"] => {
                self.refund_preview(id, value("invoice").unwrap_or_default(), minor)
            }
            _ => Err(Reply::refuse(StatusCode::NOT_FOUND, "no such page")),
        }
    }

    fn act(&mut self, path: &[&str], asked: &Asked) -> Reply {
        match path {
            ["payments"] => self.pay(asked),
            ["refunds"] => self.refund(asked),
            ["recalls"] => self.recall(asked),
            _ => Reply::refuse(StatusCode::NOT_FOUND, "no such page"),
        }
    }

    fn try_out(&self, path: &[&str], asked: &Asked) -> Reply {
        let would = || {
            if path != ["payments"] {
                return Err(Reply::refuse(StatusCode::NOT_FOUND, "no such page"));
            }
            let order = Order::read(asked)?;
            let supplier = self.supplier(&order.supplier)?;
            let left = order.covered(supplier.iban, self.balance)?;
            Ok(Reply {
                status: StatusCode::OK,
                body: json!({
                    "would": format!("pay {} to {}", money(order.amount.minor, CURRENCY), supplier.name),
                    "fee": money(0, CURRENCY),
                    "balance_after": money(left, CURRENCY),
                }),
            })
        };
        would().unwrap_or_else(|refused| refused)
    }

    fn state(&self) -> Value {
        json!({
            "balance": { "minor": self.balance, "currency": CURRENCY },
            "suppliers": self.suppliers,
            "payments": self.payments,
            "refunds": self.refunds,
            "effects": self.once.effects(),
            "asked": self.once.asked(),
        })
    }

    fn page(&self) -> Value {
        let stands = |recalled| if recalled { "called back" } else { "paid" };
        let payments = self.payments.iter().rev().map(|payment| {
            let name = self
                .supplier(&payment.supplier)
                .map_or("", |supplier| supplier.name);
            let cells = json!([
                payment.id,
                name,
                money(payment.minor, CURRENCY),
                payment.reference,
                stands(payment.recalled)
            ]);
            json!({ "new": payment.new, "cells": cells })
        });
        let refunds = self.refunds.iter().rev().map(|refund| {
            let cells = json!([
                refund.id,
                refund.customer,
                money(refund.minor, CURRENCY),
                refund.invoice,
                stands(refund.recalled)
            ]);
            json!({ "new": true, "cells": cells })
        });
        let suppliers = self.suppliers.iter().map(|supplier| {
            let (paid, count) = self.paid(supplier.id);
            let account = format!("•••• {}", tail(supplier.iban));
            json!({ "new": false, "cells": [supplier.name, supplier.city, account, count, money(paid, CURRENCY)] })
        });
        json!({
            "title": "Bank",
            "lead": "The demo's bank. It acts once for one idempotency key, however often it is asked.",
            "figures": [
                { "label": "Operating account", "value": money(self.balance, CURRENCY) },
                { "label": "Paid or called back in this demo", "value": self.once.effects().len() },
                { "label": "Times asked to act", "value": self.once.asked().values().sum::<usize>() },
            ],
            "tables": [
                { "title": "Payments", "columns": ["Payment", "Supplier", "Amount", "Reference", "State"], "rows": payments.collect::<Vec<_>>(), "empty": "No payment yet." },
                { "title": "Refunds", "columns": ["Refund", "Customer", "Amount", "Invoice", "State"], "rows": refunds.collect::<Vec<_>>(), "empty": "No refund yet." },
                { "title": "Suppliers", "columns": ["Supplier", "City", "Account", "Payments", "Paid this year"], "rows": suppliers.collect::<Vec<_>>(), "empty": "No supplier." },
            ],
        })
    }

    fn effects(&self) -> Vec<Effect> {
        self.once.effects().to_vec()
    }
    fn asked(&self) -> BTreeMap<String, usize> {
        self.once.asked().clone()
    }
}

/// The last four characters.
fn tail(text: &str) -> String {
    text.chars()
        .skip(text.chars().count().saturating_sub(4))
        .collect()
}
