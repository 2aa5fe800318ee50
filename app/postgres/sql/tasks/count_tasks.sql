select count(*)
from tasks t
where {conditions}
