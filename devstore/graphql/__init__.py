"""The Admin GraphQL API: Shopify's published schema, executed by graphql-core over devstore's documents."""
