/// What kind of database a target is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Engine {
    /// PostgreSQL and what speaks its protocol.
    Postgres,
    /// MySQL, MariaDB and what speaks their protocol.
    Mysql,
    /// Anything else.
    Other,
}

/// Who sends the first byte of a conversation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FirstWord {
    /// The client: a visitor shows what he is before anything is done for him.
    Client,
    /// The server: a visitor waits for the greeting and sends nothing.
    Server,
    /// Unknown: either may.
    Either,
}

impl Engine {
    /// By the name that RDS gives it (`aurora-postgresql`, `mariadb`) or that an RDS Proxy calls its family
    /// (`POSTGRESQL`), or by one of [`Engine::WORDS`].
    pub fn from_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("custom-").unwrap_or(&name);
        match name {
            "postgres" | "postgresql" | "aurora-postgresql" => Self::Postgres,
            // RDS called Aurora MySQL 5.6 just "aurora".
            "mysql" | "mariadb" | "aurora-mysql" | "aurora" => Self::Mysql,
            _ => Self::Other,
        }
    }

    /// By the port that it listens on in the VPC.
    pub fn from_port(port: u16) -> Self {
        match port {
            5432 => Self::Postgres,
            3306 => Self::Mysql,
            _ => Self::Other,
        }
    }

    /// Who has to speak first.
    pub fn first_word(self) -> FirstWord {
        match self {
            Self::Postgres => FirstWord::Client,
            Self::Mysql => FirstWord::Server,
            Self::Other => FirstWord::Either,
        }
    }

    /// The word for it in the config and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Other => "other",
        }
    }

    /// By exactly its word, as [`Engine::word`] gives it.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Postgres, Self::Mysql, Self::Other].into_iter().find(|engine| engine.word() == word)
    }

    /// Every word, in the order in which people read them.
    pub const WORDS: [&'static str; 3] = ["postgres", "mysql", "other"];
}

#[cfg(test)]
mod tests {
    use super::{Engine, FirstWord};

    #[test]
    fn every_name_that_rds_uses_is_known() {
        for name in ["postgres", "aurora-postgresql", "POSTGRESQL", "PostgreSQL"] {
            assert_eq!(Engine::from_name(name), Engine::Postgres, "{name}");
        }
        for name in ["mysql", "mariadb", "aurora-mysql", "aurora", "MYSQL"] {
            assert_eq!(Engine::from_name(name), Engine::Mysql, "{name}");
        }
        for name in ["", "sqlserver-ex", "SQLSERVER", "custom-oracle-ee", "db2-se", "mysqlx"] {
            assert_eq!(Engine::from_name(name), Engine::Other, "{name}");
        }
    }

    #[test]
    fn the_usual_ports_tell_the_engine_and_others_do_not() {
        assert_eq!(Engine::from_port(5432), Engine::Postgres);
        assert_eq!(Engine::from_port(3306), Engine::Mysql);
        assert_eq!(Engine::from_port(6379), Engine::Other);
    }

    #[test]
    fn a_word_leads_back_to_its_engine() {
        for word in Engine::WORDS {
            assert_eq!(Engine::from_word(word).map(Engine::word), Some(word));
        }
        assert_eq!(Engine::from_word("Postgres"), None);
    }

    #[test]
    fn a_postgres_client_speaks_first_and_a_mysql_client_does_not() {
        assert_eq!(Engine::Postgres.first_word(), FirstWord::Client);
        assert_eq!(Engine::Mysql.first_word(), FirstWord::Server);
        assert_eq!(Engine::Other.first_word(), FirstWord::Either);
    }
}
