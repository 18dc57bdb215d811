"""What REST shows and no method does: pages by an index, and documents without secrets.

A module in here needs nothing but functions with `@view(Resource(…))` to be served.
"""
