//! `create-account`: a login that nobody has, and a licence for it.

use amends_sdk::{Failure, JsonSchema, Step, state};
use rehearse::Rehearsals;
use serde::{Deserialize, Serialize};

use crate::books::{self, Good};

/// Longest login in bytes.
const LOGIN_LEN_MAX: usize = 32;

/// Which account is wanted for whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountWanted {
    /// The id of the employee.
    pub employee: String,
    /// 1 to 32 of `a-z 0-9 -`.
    pub login: String,
    /// The product whose licence the account takes.
    pub product: String,
    /// Failures to rehearse.
    #[serde(default)]
    pub rehearse: Rehearsals,
}

/// What was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Its login.
    pub login: String,
    /// The product whose licence it has.
    pub product: String,
}

/// Creates an account and takes a licence; gives both back when the run fails.
#[derive(Debug)]
pub struct CreateAccount;

impl Step for CreateAccount {
    const NAME: &'static str = "create-account";
    const DOC: &'static str = "Creates an account and takes a licence; gives both back when the run fails.";
    type Input = AccountWanted;
    type Output = Account;

    fn execute(wanted: AccountWanted) -> Result<Account, Failure> {
        let mut account = create(&wanted.employee, wanted.login, wanted.product)?;
        rehearse::forward(&wanted.rehearse, &mut account.login)?;
        Ok(account)
    }

    fn compensate(wanted: AccountWanted, _account: Option<Account>) -> Result<(), Failure> {
        take_back()?;
        rehearse::backward(&wanted.rehearse)
    }
}

fn create(employee: &str, login: String, product: String) -> Result<Account, Failure> {
    let key = books::own_key("account");
    if let Some(account) = state::get(&key)? {
        return Ok(account);
    }
    check_login(&login)?;
    let login_key = login_key(&login);
    if state::get::<String>(&login_key)?.is_some() {
        return Err(Failure::rejected("login_taken", format!("somebody has the login `{login}` already")));
    }
    books::assign(Good::Licence, &product, 1)?;
    state::set(&login_key, employee)?;
    let account = Account { login, product };
    state::set(&key, &account)?;
    Ok(account)
}

fn take_back() -> Result<(), Failure> {
    let key = books::own_key("account");
    let Some(Account { login, product }) = state::get(&key)? else { return Ok(()) };
    books::free(Good::Licence, &product, 1)?;
    state::remove(&login_key(&login));
    state::remove(&key);
    Ok(())
}

/// A login becomes part of a key: what is none must not become another key.
fn check_login(login: &str) -> Result<(), Failure> {
    let is_plain = login.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if is_plain && (1..=LOGIN_LEN_MAX).contains(&login.len()) {
        return Ok(());
    }
    Err(Failure::rejected("invalid_login", format!("a login has 1 to {LOGIN_LEN_MAX} of a-z, 0-9 and `-`")))
}

fn login_key(login: &str) -> String {
    ["login", login].join("/")
}
