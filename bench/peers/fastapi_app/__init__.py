"""FastAPI, response models, SQLAlchemy 2's asynchronous ORM on asyncpg: what one writes today."""
