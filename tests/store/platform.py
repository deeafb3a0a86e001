"""The platform's table as its owner may have made it: with a past, and columns of its own."""

DESIGNED = """
CREATE TABLE eye_tracking_sessions (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id int NOT NULL, module_id int NOT NULL, section_id int DEFAULT NULL,
  total_time_seconds int DEFAULT 0,
  session_type enum('viewing','pause','resume') DEFAULT 'viewing',
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_updated timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  focused_time_seconds int DEFAULT 0, unfocused_time_seconds int DEFAULT 0,
  session_data text DEFAULT NULL,
  KEY idx_user_module (user_id, module_id), KEY idx_user_section (user_id, section_id), KEY idx_created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
"""As MySQL has it."""

_ID = {"mysql": "int AUTO_INCREMENT", "postgresql": "serial", "sqlite": "integer"}


def grown(dialect: str) -> str:
    """Other types that hold the same, columns that we know nothing of, and a rule of its own."""
    return f"""
CREATE TABLE eye_tracking_sessions (
  id {_ID[dialect]} PRIMARY KEY,
  browser varchar(40) DEFAULT 'unknown',
  user_id bigint NOT NULL CHECK (user_id < 1000), module_id bigint NOT NULL, section_id bigint,
  total_time_seconds bigint DEFAULT 0,
  session_type varchar(20) DEFAULT 'viewing',
  created_at {"datetime" if dialect == "mysql" else "timestamp"} NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_updated {"datetime" if dialect == "mysql" else "timestamp"} NOT NULL DEFAULT CURRENT_TIMESTAMP,
  focused_time_seconds smallint DEFAULT 0, unfocused_time_seconds smallint DEFAULT 0,
  session_data varchar(4000), score decimal(5,2)
)"""


OLD_ROWS = """
INSERT INTO eye_tracking_sessions
  (user_id, module_id, section_id, total_time_seconds, session_type, created_at, last_updated,
   focused_time_seconds, unfocused_time_seconds, session_data)
VALUES
  (7, 3, 2, 61, 'pause', '2024-02-29 23:59:59', '2024-03-01 00:00:00', 40, 25, '{"focused_time": 40.4}'),
  (8, 3, NULL, NULL, NULL, '2024-02-29 23:59:59', '2024-03-01 00:00:00', NULL, NULL, 'not JSON, and ü'),
  (7, 4, 0, 5, 'resume', '2024-02-29 23:59:59', '2024-03-01 00:00:00', 5, 0, NULL)
"""
