//! Amounts and counts as people read them. Money is a whole number of minor units with its currency.

use serde_json::Value;

/// Every currency of ISO 4217 that money is paid in, in the order of the codes: those in use at the beginning of 2026,
/// without metals, bonds and test codes.
pub const CODES: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD",
    "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CLF",
    "CLP", "CNY", "COP", "COU", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB",
    "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF",
    "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW",
    "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT",
    "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD",
    "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD",
    "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS",
    "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS",
    "VED", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
];

/// How many digits of a currency stand after the point (ISO 4217); two unless listed here.
fn digits(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// `{minor: 1250000, currency: EUR}` as an amount and its currency; nothing for any other value.
pub fn parts(value: &Value) -> Option<(i64, &str)> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let minor = fields.get("minor")?.as_i64()?;
    let currency = fields.get("currency")?.as_str()?;
    let code = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
    code.then_some((minor, currency))
}

/// `12,500.00 EUR`.
pub fn amount(minor: i64, currency: &str) -> String {
    let scale = 10u64.pow(u32::try_from(digits(currency)).unwrap_or(2));
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, part) = (minor.unsigned_abs() / scale, minor.unsigned_abs() % scale);
    let whole = grouped(whole);
    if scale == 1 {
        format!("{sign}{whole} {currency}")
    } else {
        format!(
            "{sign}{whole}.{part:0width$} {currency}",
            width = digits(currency)
        )
    }
}

/// `4,200`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_follow_iso_4217() {
        for (minor, currency, shown) in [
            (1_250_000, "EUR", "12,500.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (-123_456, "USD", "-1,234.56 USD"),
            (1_250_000, "JPY", "1,250,000 JPY"),
            (1_234_567, "KWD", "1,234.567 KWD"),
            (12_345, "CLF", "1.2345 CLF"),
            (i64::MIN, "JPY", "-9,223,372,036,854,775,808 JPY"),
        ] {
            assert_eq!(amount(minor, currency), shown);
        }
        assert_eq!(parts(&json!({"minor": 1, "currency": "EUR"})), Some((1, "EUR")));
        for other in [
            json!({"minor": 1, "currency": "EURO"}),
            json!({"minor": 1, "currency": "E|R"}),
            json!({"minor": "1", "currency": "EUR"}),
            json!({"minor": 1, "currency": "EUR", "more": 1}),
            json!(1),
        ] {
            assert_eq!(parts(&other), None);
        }
    }

    #[test]
    fn codes_are_in_order_and_what_has_other_digits_is_among_them() {
        assert!(CODES.is_sorted_by(|one, other| one < other));
        assert!(CODES.iter().all(|code| code.len() == 3));
        for code in ["JPY", "KWD", "CLF", "XOF", "UYI"] {
            assert!(CODES.binary_search(&code).is_ok() && digits(code) != 2, "{code}");
        }
        for gone in ["HRK", "DEM", "XYZ", "XXX", "XAU", "eur"] {
            assert!(CODES.binary_search(&gone).is_err(), "{gone}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, shown) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (4_200, "4,200"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), shown);
        }
    }
}
