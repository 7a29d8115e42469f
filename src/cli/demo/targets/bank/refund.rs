//! Money that a customer gets back.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Amount, Bank, CURRENCY, unpayable};
use crate::cli::demo::targets::{
    once::{Asked, Reply},
    page::money,
    wire::Preview,
};

/// A customer's invoice, paid by the customer.
#[derive(Debug, Serialize)]
pub(super) struct Sale {
    pub(super) customer: &'static str,
    pub(super) invoice: &'static str,
    pub(super) minor: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) invoice: String,
    pub(super) minor: i64,
    pub(super) key: String,
    pub(super) recalled: bool,
}

/// What a refund is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Return {
    customer: String,
    invoice: String,
    amount: Amount,
    #[serde(rename = "reference")]
    _reference: Option<String>,
}

impl Bank {
    fn sale(&self, customer: &str, invoice: &str) -> Result<&Sale, Reply> {
        let found = self
            .sales
            .iter()
            .find(|sale| sale.customer == customer && sale.invoice == invoice);
        found.ok_or_else(|| Reply::refuse(StatusCode::NOT_FOUND, "this customer paid no such invoice"))
    }

    /// What of an invoice was given back, and how often.
    fn refunded(&self, invoice: &str) -> (i64, usize) {
        let theirs = self
            .refunds
            .iter()
            .filter(|refund| refund.invoice == invoice && !refund.recalled);
        theirs.fold((0, 0), |(sum, count), refund| (sum + refund.minor, count + 1))
    }

    pub(super) fn refund_preview(&self, customer: &str, invoice: &str, minor: i64) -> Preview {
        let sale = self.sale(customer, invoice)?;
        let (given, count) = self.refunded(invoice);
        if minor <= 0 || given + minor > sale.minor {
            return Err(unpayable("the customer did not pay as much"));
        }
        let amount = money(minor, CURRENCY);
        let state = |given| json!({ "invoice": invoice, "paid": money(sale.minor, CURRENCY), "refunded": money(given, CURRENCY) });
        let mut deltas = serde_json::Map::new();
        deltas.insert(format!("Customer {customer}"), format!("+{amount}").into());
        deltas.insert("Our operating account".into(), format!("-{amount}").into());
        let answer = json!({
            "count": 1,
            "before": state(given),
            "after": state(given + minor),
            "deltas": deltas,
        });
        Ok((answer, format!("{invoice}-{count}-{given}")))
    }

    pub(super) fn refund(&mut self, asked: &Asked) -> Reply {
        let order: Return = match serde_json::from_value(asked.body.clone()) {
            Ok(order) => order,
            Err(error) => return Reply::refuse(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let left = match self.sale(&order.customer, &order.invoice) {
            Ok(sale) => sale.minor - self.refunded(&order.invoice).0,
            Err(reply) => return reply,
        };
        let Self {
            balance,
            refunds,
            once,
            ..
        } = self;
        once.act(asked, || {
            let minor = order.amount.payable()?;
            if minor > left {
                return Err(unpayable("the customer did not pay as much"));
            }
            if minor > *balance {
                return Err(unpayable("the balance does not cover it"));
            }
            *balance -= minor;
            let id = format!("R-{:04}", refunds.len() + 1);
            let what = format!(
                "{} refunded to {}, {}",
                money(minor, CURRENCY),
                order.customer,
                order.invoice
            );
            refunds.push(Refund {
                id: id.clone(),
                customer: order.customer,
                invoice: order.invoice,
                minor,
                key: asked.key.clone().unwrap_or_default(),
                recalled: false,
            });
            Ok((json!({ "refund": id, "status": "booked" }), what))
        })
    }
}
